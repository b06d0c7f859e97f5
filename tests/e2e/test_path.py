#!/usr/bin/env python3
"""The whole path: visits, orders and payments recorded offline reach the manager's report."""
import datetime
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps


def shanghai_today():
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=8)).date().isoformat()


def test_offline_work_reaches_the_manager():
    with firm_with_reps() as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync()
        sam.sync()
        firm.stop()

        today = shanghai_today()
        lin.run("visit", "plan", "L1", today)
        lin.run("visit", "plan", "L2", today)
        lin.run("visit", "start", "L1", "--at", "31.2257,121.4922,12")
        lin.run("order", "new", "L1", "TEA=24", "CAKE=12")  # 24 * 18.00 + 12 * 5.00 = 492.00
        lin.run("pay", "L1", "100.50", "--method", "wechat")
        lin.run("visit", "finish", "--outcome", "order", "--note", "新茶卖得好")
        orders = lin.json("order", "list")
        equal(len(orders), 1, "orders of Lin")
        lin.run("order", "submit", orders[0]["id"])
        sam.run("visit", "log", "S1", "--outcome", "not_met")
        sam.run("visit", "log", "S2", "--outcome", "no_order")
        pending = lin.json("status")["pending"]
        check(pending >= 5, f"pending transactions of Lin: {pending}")

        firm.start()
        answer = lin.sync()
        equal((answer["refused"], answer["parked"], answer["accepted"]), (0, 0, pending), "Lin's sync")
        equal(sam.sync()["refused"], 0, "refused of Sam")
        equal(lin.json("status")["pending"], 0, "pending after the sync")

        rows = {row["login"]: row for row in firm.report("team_day", "--from", today)}
        equal({k: rows["lin"][k] for k in ("planned", "visited", "productive", "orders", "order_value",
                                           "collected")},
              {"planned": 2, "visited": 1, "productive": 1, "orders": 1, "order_value": 49200,
               "collected": 10050}, "Lin's day")
        equal({k: rows["sam"][k] for k in ("planned", "visited", "productive", "orders")},
              {"planned": 0, "visited": 2, "productive": 0, "orders": 0}, "Sam's day")
        check(rows["lin"]["complete_up_to"], "Lin's day says how complete it is")
        notes = firm.query("SELECT note FROM visit WHERE note IS NOT NULL")
        equal(notes, [{"note": "新茶卖得好"}], "the visit's note on the server")
        number = firm.query("SELECT no FROM sales_order")[0]["no"]
        check(number.startswith("SO-"), f"the firm's number of the order: {number}")
        equal(lin.json("order", "list")[0]["no"], number, "the number as the device knows it now")
        firm.healthy()
        for device in (lin, sam):
            device.healthy()
            device.run("verify")


def test_sync_brings_nothing_twice():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        first = lin.sync()
        check(first["pulled"] > 0, "the first sync brings the firm and the customers")
        lin.new("customer", name="新客户", kind="prospect")
        second = lin.sync()
        equal((second["accepted"], second["pulled"]), (1, 0), "own work doesn't come back as rows")
        third = lin.sync()
        equal((third["pushed"], third["pulled"]), (0, 0), "nothing to do")


def test_the_manager_holds_what_the_team_holds():
    with firm_with_reps() as firm:
        lin, mei = firm.device("lin"), firm.device("mei")
        lin.sync()
        lin.new("customer", name="石库门茶室", kind="prospect")
        lin.run("visit", "log", "L1", "--outcome", "other")
        lin.sync()
        mei.sync()
        names = {row["name"] for row in mei.json("list", "customer")}
        equal(names, {"城隍庙茶庄", "徐家汇超市", "Harbour Café", "O'Brien's Pub", "石库门茶室"},
              "the manager's customers")
        equal(len(mei.json("list", "visit")), 1, "the manager's visits")
        mei.run("verify")


main(globals())
