#!/usr/bin/env python3
"""Another system's files, unchanged, become a firm: people with their managers, customers with their
contacts, prices, and years of orders as history."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import legwork
import northwind
from legwork import check, equal

FILES = northwind.folder()


def test_all_files_go_in():
    with northwind.firm() as firm:
        taken = northwind.take_in(firm, FILES)
        equal({t: r["new"] for t, r in taken.items()},
              {"person": 9, "territory": 53, "person_territory": 49, "customer": 91, "contact": 91,
               "product": 77, "price_list": 1, "price_item": 77, "sales_order": 830,
               "order_line": 2155}, "rows by table")
        people = {p["login"]: p for p in firm.admin("user", "list", "--json").json()}
        equal(people["Davolio"]["role"], "rep", "role by title")
        equal(people["Fuller"]["role"], "manager", "role by title")
        # Davolio stands in the first line, her manager in the second
        equal(people["Davolio"]["manager"], "Fuller", "a manager further down")
        equal(people["King"]["manager"], "Buchanan", "manager")
        equal(people["Fuller"]["manager"], None, "nobody above")
        firm.healthy()

        # 1,265,793.04 by the exact sum over all lines; each line is rounded to the cent
        total = firm.query("SELECT sum(total) AS t FROM sales_order")[0]["t"]
        check(abs(total - 126579304) < 2155, f"sum of all orders: {total}")
        row = firm.query("SELECT o.total, o.order_day, o.submit_state, count(*) AS lines"
                         " FROM sales_order o JOIN order_line l ON l.order_id = o.id"
                         " WHERE o.no = '10248'")[0]
        equal(row, {"total": 44000, "order_day": "1996-07-04", "submit_state": "submitted",
                    "lines": 3}, "the first order")
        discount = firm.query("SELECT l.discount_bp, l.amount FROM order_line l"
                              " JOIN sales_order o ON o.id = l.order_id"
                              " JOIN product p ON p.id = l.product_id"
                              " WHERE o.no = '10250' AND p.sku = '51'")[0]
        equal(discount, {"discount_bp": 1500, "amount": 126140}, "35 at 42.40 less 15 %")
        text = firm.query("SELECT address, city, phones FROM customer WHERE no = 'ANATR'")[0]
        equal(text, {"address": "Avda. de la Constitución 2222", "city": "México D.F.",
                     "phones": '["(5) 555-4729"]'}, "text as it stood")
        equal(firm.query("SELECT region FROM customer WHERE no = 'ALFKI'")[0]["region"], None,
              "NULL is no region")
        equal(firm.query("SELECT count(*) AS n FROM product WHERE active = 0")[0]["n"], 8,
              "discontinued products")


def test_customers_go_to_the_rep_of_their_latest_order():
    with northwind.firm() as firm:
        northwind.take_in(firm, FILES)
        by_login = northwind.hand_out(firm)
        equal(sum(len(v) for v in by_login.values()), 89, "customers with orders")
        house = firm.query("SELECT count(*) AS n FROM customer c JOIN book b ON b.id = c.book_id"
                           " WHERE b.kind = 'house'")[0]["n"]
        equal(house, 2, "customers that nobody ever sold to stay in the house")
        # what hangs on a customer went along
        stray = firm.query("SELECT count(*) AS n FROM sales_order o JOIN customer c"
                           " ON c.id = o.customer_id WHERE o._scope <> c._scope")[0]["n"]
        equal(stray, 0, "orders in another scope than their customer")
        firm.healthy()


def test_undone_in_the_order_of_making():
    with northwind.firm() as firm:
        taken = northwind.take_in(firm, FILES)
        orders = taken["sales_order"]["batch"]
        lines = taken["order_line"]["batch"]
        refused = firm.admin("import", "undo", orders, expect=1)
        check("stand in the way" in refused.err, f"orders have lines\n{refused}")
        firm.admin("import", "undo", lines)
        equal(firm.query("SELECT sum(total) AS t FROM sales_order")[0]["t"], 0, "totals are back")
        firm.admin("import", "undo", orders)
        firm.admin("import", "undo", orders, expect=1)
        firm.admin("import", "undo", taken["contact"]["batch"])
        firm.admin("import", "undo", taken["customer"]["batch"])
        firm.admin("import", "undo", taken["person_territory"]["batch"])
        firm.admin("import", "undo", taken["person"]["batch"])
        equal(firm.query("SELECT count(*) AS n FROM person WHERE _deleted_at IS NULL")[0]["n"], 1,
              "the admin is left")
        firm.healthy()


legwork.main(globals())
