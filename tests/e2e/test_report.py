#!/usr/bin/env python3
"""The report team_day: every figure by hand, how fresh it is, and that it never reads more than its days."""
import contextlib
import pathlib
import re
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import ROOT, Firm, check, equal, main

DAY = "2026-11-20"


def take(firm, table, text, *args):
    path = firm.dir / f"{table}.csv"
    path.write_text(text)
    return firm.admin("import", table, path, *args)


def firm_with_a_day():
    firm = Firm()
    firm.user("mei", "manager", team="East")
    firm.user("lin", "rep", manager="mei", team="East")
    firm.user("sam", "rep", manager="mei", team="West")
    take(firm, "customer", "no,name\nA,Tea House\nB,Corner Shop\nC,Wine Bar\n")
    take(firm, "visit_plan", "c,p,on_day,state\n"
         f"A,lin,{DAY},done\nB,lin,{DAY},planned\nC,lin,{DAY},cancelled\nA,lin,2026-11-21,planned\n",
         "--map", "c=customer_id,p=person_id")
    take(firm, "visit", "c,p,checkin_at,checkout_at,state\n"
         f"A,lin,{DAY} 09:00,{DAY} 09:30,completed\n"
         f"B,lin,{DAY} 10:00,{DAY} 10:20,completed\n"
         f"C,lin,{DAY} 16:45,,in_progress\n"
         f"A,sam,{DAY} 23:59,{DAY} 23:59,completed\n",
         "--map", "c=customer_id,p=person_id")
    visits = {(r["no"], r["login"]): r["id"] for r in firm.query(
        "SELECT v.id, c.no, p.login FROM visit v JOIN customer c ON c.id = v.customer_id"
        " JOIN person p ON p.id = v.person_id")}
    take(firm, "sales_order", "no,c,p,v,order_at,submit_state,subtotal,total,cancelled_at\n"
         f"1,A,lin,{visits['A', 'lin']},{DAY} 09:10,submitted,100.00,113.00,\n"
         f"2,A,lin,{visits['A', 'lin']},{DAY} 09:20,submitted,50.00,50.00,\n"
         f"3,B,lin,{visits['B', 'lin']},{DAY} 10:10,submitted,70.00,70.00,{DAY} 18:00\n"
         f"4,C,lin,{visits['C', 'lin']},{DAY} 16:50,draft,30.00,30.00,\n"
         f"5,A,sam,,{DAY} 12:00,submitted,8.50,8.50,\n",
         "--map", "c=customer_id,p=person_id,v=visit_id")
    take(firm, "payment", "no,c,p,amount,method,paid_at\n"
         f"1,A,lin,20.00,cash,{DAY} 09:15\n2,B,lin,30.50,wechat,{DAY} 10:15\n",
         "--map", "c=customer_id,p=person_id")
    first = firm.query("SELECT id FROM payment WHERE no = '1'")[0]["id"]
    take(firm, "payment", f"no,c,p,amount,method,paid_at,r\n3,A,lin,20.00,cash,{DAY} 11:00,{first}\n",
         "--map", "c=customer_id,p=person_id,r=reverses_id")
    return firm


def test_every_figure():
    with firm_with_a_day() as firm:
        rows = {r["login"]: r for r in firm.report("team_day", "--from", DAY)}
        equal(sorted(rows), ["lin", "sam"], "reps, and no manager who wasn't out")
        lin = rows["lin"]
        equal({k: lin[k] for k in lin if k not in ("first_checkin_at", "last_checkin_at")},
              {"day": DAY, "login": "lin", "name": "Lin", "planned": 2, "visited": 3, "productive": 1,
               "strike_rate": 3333, "orders": 2, "order_value": 16300, "collected": 3050,
               "outlet_min": 50, "complete_up_to": None, "parked": 0, "refused": 0}, "Lin's day")
        equal((lin["last_checkin_at"] - lin["first_checkin_at"]) / 60000, 465, "09:00 to 16:45")
        sam = rows["sam"]
        equal((sam["visited"], sam["productive"], sam["orders"], sam["order_value"]), (1, 0, 1, 850),
              "an order without a visit makes none productive")
        table = firm.admin("query", "--report", "team_day", "--from", DAY).out
        for text in ("33.33%", "163.00", "30.50", f"{DAY} 09:00:00"):
            check(text in table, f"{text} in\n{table}")
        equal([r["login"] for r in firm.report("team_day", "--from", DAY, "--team", "West")], ["sam"], "team")
        equal([r["login"] for r in firm.report("team_day", "--from", DAY, "--user", "mei")], ["mei"], "user")


def test_how_fresh_it_is():
    with firm_with_a_day() as firm:
        firm.start()
        lin = firm.device("lin")
        before = int(time.time() * 1000)
        lin.sync()
        rows = {r["login"]: r for r in firm.report("team_day")}
        check(rows["lin"]["complete_up_to"] >= before - 1000, f"judged up to the sync: {rows['lin']}")
        equal(rows["sam"]["complete_up_to"], None, "Sam's device never came")
        # a second device that lags behind holds the figure back
        second = firm.device("lin", "lin-phone")
        first_seen = firm.report("team_day", "--user", "lin")[0]["complete_up_to"]
        check(first_seen is None, f"the second device has never been judged: {first_seen}")
        second.sync()
        check(firm.report("team_day", "--user", "lin")[0]["complete_up_to"] >= before - 1000, "both came")


def test_it_reads_no_more_than_its_days():
    with firm_with_a_day() as firm:
        sql = (ROOT / "server" / "admin" / "team_day.sql").read_text()
        with contextlib.closing(sqlite3.connect(firm.data / "store.db")) as db:
            plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + sql, (DAY, DAY, None, None, 0))]
        for table, column in (("v", "visit_day"), ("visit_plan", "on_day"), ("sales_order", "order_day"),
                              ("payment", "paid_day")):
            line = [p for p in plan if re.search(rf"\b(SEARCH|SCAN) {table}\b", p)]
            check(line and all(p.startswith("SEARCH") and column in p for p in line), f"{table}: {line}")
        check(not any(re.search(r"SCAN (o|c)\b", p) for p in plan), f"orders and refusals: {plan}")


main(globals())
