#!/usr/bin/env python3
"""With the server down or never reachable after enrolment, all but enroll and sync works."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps


def test_every_command_works_without_a_server():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        lin.sync()
        firm.kill()
        customer = lin.new("customer", name="Airport Lounge", kind="prospect")
        lin.set("customer", customer["id"], city="上海")
        equal(lin.json("show", "customer", customer["id"])["city"], "上海", "the row as it was set")
        check(lin.json("list", "customer", "kind=prospect"), "list finds it")
        check("Airport" in lin.run("find", "lounge").out, "find finds it")
        check("城隍庙" in lin.run("find", "茶").out, "find finds one Chinese character")
        lin.run("visit", "plan", "L1", "2030-01-31")
        lin.run("visit", "start", "L1")
        lin.run("order", "new", "L1", "TEA=2")
        lin.run("pay", "L1", "36.00", "--method", "cash")
        lin.run("visit", "finish", "--outcome", "order")
        lin.run("visit", "log", "L2", "--outcome", "closed")
        check(lin.json("visit", "list"), "visit list")
        order = lin.json("order", "list")[0]
        equal(order["total"], 3600, "the order's total")
        lin.run("order", "submit", order["id"])
        task = lin.new("task", title="Call back", state="open")
        lin.run("delete", "task", task["id"])
        lin.new("memo", text="私人备忘")
        lin.run("report", "day")
        lin.run("report", "day", "--submit")
        lin.run("report", "day", "--submit", expect=1)
        equal(lin.json("report", "day")["state"], "submitted", "a submitted report stays readable")
        lin.run("today")
        lin.run("inbox")
        equal(lin.json("inbox"), [], "an empty inbox")
        equal(lin.sql("SELECT count(*) AS n FROM visit"), [{"n": 2}], "sql")
        check(lin.json("status")["pending"] > 8, "status counts what waits")
        lin.run("verify", expect=(0, 3))
        result = lin.run("sync", expect=3)
        check("saved" in result.err, f"sync says that the work is saved\n{result}")
        zh = lin.run("sync", expect=3, env=None)
        check(zh.err, "a reason")


def test_a_new_replica_that_never_synced():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        firm.kill()
        lin.new("customer", name="早市豆浆", kind="customer")
        lin.run("visit", "log", "早市豆浆", "--outcome", "no_order")
        lin.run("sync", expect=3)
        firm.start()
        equal(lin.sync()["accepted"], 2, "both transactions")
        equal(firm.query("SELECT count(*) AS n FROM visit"), [{"n": 1}], "the visit on the server")


def test_the_reason_in_both_languages():
    import legwork
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        firm.kill()
        english = lin.run("sync", expect=3).err
        chinese = lin.run("sync", expect=3, env=legwork.environment(LEGWORK_LANG="zh")).err
        check(english.isascii(), f"English: {english}")
        check(any("一" <= c <= "鿿" for c in chinese), f"Chinese: {chinese}")


main(globals())
