#!/usr/bin/env python3
"""What a device may hold and write: never a byte of another's book; what may not be is refused by
code, stays in the inbox, and the rest of the same sync goes through."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main, run
from sample import firm_with_reps


def bytes_of(device):
    """All that lies in the device's folder, the write-ahead log too."""
    return b"".join(p.read_bytes() for p in sorted(device.home.rglob("*")) if p.is_file())


def test_never_a_byte_of_another_book():
    with firm_with_reps() as firm:
        sam = firm.device("sam")
        sam.run("visit", "log", "S1", "--outcome", "closed", "--note", "SAMS-VISIT-NOTE") if sam.sync() else None
        sam.new("memo", text="SAMS-MEMO")
        sam.new("task", title="SAMS-TASK", state="open")
        sam.sync()
        lin = firm.device("lin")
        lin.sync()
        seen = bytes_of(lin)
        check(b"MARK-OF-LIN" in seen, "Lin's own customers are there")
        for mark in (b"MARK-OF-SAM", b"Harbour Caf", b"SAMS-VISIT-NOTE", b"SAMS-MEMO", b"SAMS-TASK"):
            check(mark not in seen, f"{mark!r} reached Lin's device")
        mei = firm.device("mei")
        mei.sync()
        seen = bytes_of(mei)
        check(b"SAMS-VISIT-NOTE" in seen and b"SAMS-TASK" in seen, "the manager sees the team's work")
        check(b"SAMS-MEMO" not in seen, "a memo is for its author alone")


def test_a_moved_customer_leaves():
    with firm_with_reps() as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync()
        sam.sync()
        lin.run("visit", "log", "L1", "--outcome", "no_order", "--note", "before the move")
        lin.sync()
        firm.admin("move", "L1", "--to", "sam")
        lin.sync()
        equal([r["name"] for r in lin.json("list", "customer")], ["徐家汇超市"], "what Lin still holds")
        equal(lin.json("list", "visit"), [], "Lin's visits there went along")
        sam.sync()
        check("城隍庙茶庄" in [r["name"] for r in sam.json("list", "customer")], "Sam holds it")
        equal([r["note"] for r in sam.json("list", "visit")], ["before the move"], "with its history")
        for device in (lin, sam):
            device.run("verify")
        firm.healthy()


def test_refused_work_waits_and_the_rest_goes_through():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        lin.sync()
        theirs = firm.query("SELECT id FROM customer WHERE no = 'S1'")[0]["id"]
        lin.run("new", "visit_plan", f"customer_id={theirs}", "on_day=2030-01-31", "state=planned",
                expect=(0, 1))
        lin.set("customer", "L1", expect=(0, 1), tier_manual="A")  # managers write it
        lin.set("customer", "L2", city="杭州")
        lin.run("visit", "log", "L2", "--outcome", "closed")
        waiting = lin.json("status")["pending"]
        answer = lin.sync()
        equal(answer["refused"] + answer["accepted"], waiting, "each transaction has its verdict")
        check(answer["accepted"] >= 2, f"the others went through: {answer}")
        equal(firm.query("SELECT city, tier_manual FROM customer WHERE no = 'L2'"),
              [{"city": "杭州", "tier_manual": None}], "on the server")
        equal(firm.query("SELECT tier_manual FROM customer WHERE no = 'L1'"),
              [{"tier_manual": None}], "what a rep may not write")
        entries = lin.json("inbox")
        equal(len(entries), answer["refused"], "refused work is in the inbox")
        codes = {e["code"] for e in entries}
        check(codes <= {"not_found", "not_permitted"}, f"codes: {codes}")
        equal(lin.json("status")["needs_you"], len(entries), "needs_you")
        for entry in entries:
            lin.run("inbox", "discard", entry["id"])
        lin.sync()
        equal(lin.json("status")["needs_you"], 0, "nothing left to decide")
        equal(lin.json("show", "customer", "L1")["tier_manual"], None, "the server's value is back")
        lin.run("verify")


def sqlite_write(device, sql):
    """As somebody who knows the file: through the program's own functions there is no way, so the
    capture must refuse a plain shell."""
    return run(["sqlite3", device.replica, sql], expect=None)


def test_the_sqlite_shell_cannot_write_unlogged():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        lin.sync()
        result = sqlite_write(lin, "UPDATE customer SET city = 'smuggled' WHERE no = 'L1'")
        check(result.code != 0, f"the shell wrote past the log\n{result}")
        equal(lin.sql("SELECT count(*) AS n FROM customer WHERE city = 'smuggled'"), [{"n": 0}], "rows")


def test_prices_below_the_list_and_locked_orders():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        lin.sync()
        lin.run("order", "new", "L1", "TEA=2")
        lin.run("order", "new", "L2", "SALT=10")
        orders = {o["total"]: o for o in lin.json("order", "list")}
        equal(set(orders), {3600, 2200}, "totals")
        line = lin.json("list", "order_line", f"order_id={orders[3600]['id']}")[0]
        lin.set("order_line", line["id"], expect=(0, 1), price="1.00")
        lin.run("visit", "log", "L1", "--outcome", "other")
        lin.run("order", "submit", orders[2200]["id"])
        answer = lin.sync()
        check(answer["accepted"] >= 3, f"the visit and the orders went through: {answer}")
        equal(firm.query("SELECT price FROM order_line WHERE price < 200"), [], "no price below the list")
        # submitted = locked, also when the device tries
        line = lin.json("list", "order_line", f"order_id={orders[2200]['id']}")[0]
        attempt = lin.set("order_line", line["id"], expect=(0, 1), quantity="99")
        if attempt.code == 0:
            answer = lin.sync()
            equal(answer["refused"], 1, "the change of a locked order")
            check("locked" in {e["code"] for e in lin.json("inbox")}, "its code")
        equal(firm.query(f"SELECT quantity FROM order_line WHERE price = 220"), [{"quantity": 10000}],
              "the locked order's quantity")


main(globals())
