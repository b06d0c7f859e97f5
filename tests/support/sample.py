"""Firms that several end-to-end tests begin with."""
import csv

from legwork import Firm


def write_csv(path, *rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows(rows)
    return path


def add_goods(firm):
    """Three products and a standard price list that is valid on any day: tea 18.00, cake 6.50 and
    5.00 from ten on, salt 2.20."""
    d = firm.dir
    firm.admin("import", "product", write_csv(
        d / "products.csv", ["sku", "name", "unit", "active"], ["TEA", "Green tea 绿茶", "box", 1],
        ["CAKE", "Moon cake 月饼", "box", 1], ["SALT", "Sea salt 海盐", "bag", 1]))
    firm.admin("import", "price_list", write_csv(
        d / "lists.csv", ["name", "currency", "is_default"], ["Standard", "CNY", 1]))
    firm.admin("import", "price_item", write_csv(
        d / "prices.csv", ["sku", "list", "min_qty", "price"], ["TEA", "Standard", 0, "18.00"],
        ["CAKE", "Standard", 0, "6.50"], ["CAKE", "Standard", 10, "5.00"],
        ["SALT", "Standard", 0, "2.20"]), "--map", "sku=product_id:sku,list=price_list_id:name")


def firm_with_reps(goods=True, **where):
    """Manager mei over the reps lin and sam, each with two customers; the server runs."""
    firm = Firm(**where)
    try:
        firm.user("mei", "manager", name="Chen Mei", team="Shanghai")
        firm.user("lin", "rep", name="林晓", manager="mei", team="Shanghai")
        firm.user("sam", "rep", name="Sam Porter", manager="mei", team="Shanghai")
        if goods:
            add_goods(firm)
        firm.admin("import", "customer", write_csv(
            firm.dir / "customers.csv", ["no", "name", "kind", "city", "note"],
            ["L1", "城隍庙茶庄", "customer", "上海", "MARK-OF-LIN"],
            ["L2", "徐家汇超市", "customer", "上海", "MARK-OF-LIN"],
            ["S1", "Harbour Café", "customer", "Shanghai", "MARK-OF-SAM"],
            ["S2", "O'Brien's Pub", "customer", "Shanghai", "MARK-OF-SAM"]))
        firm.admin("move", "L1", "L2", "--to", "lin")
        firm.admin("move", "S1", "S2", "--to", "sam")
        firm.start()
    except BaseException:
        firm.__exit__(Exception, None, None)
        raise
    return firm
