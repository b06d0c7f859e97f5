"""The Northwind sample database in a firm: its files as they are, by import alone, and each customer
handed to the rep of its latest order (the files name no rep for a customer)."""
import os
import pathlib

from legwork import Firm, check, skip


def folder():
    """Where the files lie; skips where nobody says so."""
    named = os.environ.get("LEGWORK_NORTHWIND")
    if not named:
        skip("LEGWORK_NORTHWIND doesn't name the folder of the Northwind files")
    path = pathlib.Path(named)
    check((path / "orders.csv").exists(), f"{path} has no orders.csv")
    return path


def firm():
    return Firm(company="Northwind Traders", currency="USD", timezone="America/New_York")


def take_in(firm, files):
    """Every file that a table exists for, in the order in which they refer to each other."""
    def take(table, name, *args):
        return firm.admin("import", table, files / name, "--null", "NULL", "--json", *args).json()

    standard = firm.dir / "price_list.csv"
    standard.write_text("name,is_default\nStandard,true\n")
    taken = [
        take("person", "employees.csv", "--map",
             "employeeID=no,lastName=login,firstName+lastName=name,title=title,title=role,"
             "homePhone=phone,reportsTo=manager_id:no",
             "--value", "role:Sales Representative=rep,Inside Sales Coordinator=rep,*=manager"),
        take("territory", "territories.csv", "--map",
             "territoryID=no,territoryDescription=name,regionID=region_code"),
        take("person_territory", "employee_territories.csv", "--map",
             "employeeID=person_id:no,territoryID=territory_id:no"),
        take("customer", "customers.csv", "--map",
             "customerID=no,companyName=name,postalCode=postal_code,phone=phones"),
        take("contact", "customers.csv", "--map",
             "customerID=customer_id:no,contactName=name,contactTitle=title",
             "--set", "is_primary=true"),
        take("product", "products.csv", "--map",
             "productID=sku,productName=name,quantityPerUnit=pack,categoryID=category,"
             "discontinued=active", "--value", "active:0=1,1=0"),
        firm.admin("import", "price_list", standard, "--json").json(),
        take("price_item", "products.csv", "--map",
             "productID=product_id:sku,unitPrice=price", "--set", "price_list_id=Standard"),
        take("sales_order", "orders.csv", "--map",
             "orderID=no,customerID=customer_id:no,employeeID=person_id:no,orderDate=order_at,"
             "requiredDate=requested_on", "--set", "submit_state=submitted"),
        take("order_line", "order_details.csv", "--map",
             "orderID=order_id:no,productID=product_id:sku,unitPrice=price,discount=discount_bp"),
    ]
    return {f"{t['table']}": t for t in taken}


def hand_out(firm):
    """Each customer to the rep of its latest order. Gives login → customers' numbers."""
    rows = firm.query("SELECT c.no, (SELECT p.login FROM sales_order o JOIN person p"
                      " ON p.id = o.person_id WHERE o.customer_id = c.id"
                      " ORDER BY o.order_at DESC, o.no DESC LIMIT 1) AS login FROM customer c")
    by_login = {}
    for row in rows:
        if row["login"]:
            by_login.setdefault(row["login"], []).append(row["no"])
    for login, numbers in sorted(by_login.items()):
        firm.admin("move", *numbers, "--to", login)
    return by_login
