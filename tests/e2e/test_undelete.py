#!/usr/bin/env python3
"""A row that was deleted by mistake: its author's late work is refused and waits, an admin brings the row back, and
then the work goes through."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, environment, equal, main
from sample import firm_with_reps


def test_deleted_by_mistake():
    with firm_with_reps(goods=False) as firm:
        phone, tablet = firm.device("lin", "phone"), firm.device("lin", "tablet")
        task = phone.new("task", title="Call the wholesaler")["id"]
        phone.sync()
        tablet.sync()
        phone.run("delete", "task", task)
        phone.sync()
        tablet.set("task", task, title="Call the wholesaler at noon")
        equal(tablet.sync()["refused"], 1, "an edit of a deleted row")
        entry = tablet.json("inbox")[0]
        equal(entry["code"], "deleted", "why it was refused")
        check("legworkd undelete" in tablet.run("inbox", "show", entry["id"]).out, "what can be done")
        equal(firm.admin("undelete", "task", "Call the shop", expect=1).code, 1, "nothing is called so")
        told = firm.admin("undelete", "task", "Call the wholesaler", "--json").json()
        equal([r["id"] for r in told], [task], "what came back")
        phone.sync()
        tablet.sync()
        for device in (phone, tablet):
            equal(device.json("show", "task", task)["title"], "Call the wholesaler", device.name)
        tablet.run("inbox", "resend", entry["id"])
        tablet.sync()
        phone.sync()
        equal(phone.json("show", "task", task)["title"], "Call the wholesaler at noon", "sent again")
        acts = [c["act"] for c in firm.admin("history", "task", task, "--json").json()["changes"]]
        equal(acts, ["made", "deleted", "wanted", "restored", "changed"], "what became of it")
        check("restored" in firm.admin("history", "task", task).out, "in words")
        for device in (phone, tablet):
            device.run("verify")
        firm.healthy()


def test_all_of_them_or_none():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        a, b = (lin.new("task", title=t)["id"] for t in ("one", "two"))
        lin.sync()
        lin.run("delete", "task", a)
        lin.sync()
        said = firm.admin("undelete", "task", a, b, expect=1)
        check("isn't deleted" in said.err and b in said.err, f"{said}")
        equal(firm.query("SELECT count(*) AS n FROM task WHERE _deleted_at IS NULL"), [{"n": 1}], "tasks")
        check("恢复" in firm.admin("undelete", "task", a, env=environment(LEGWORK_LANG="zh")).out, "in Chinese")
        check("purged" in firm.admin("undelete", "task", "00000000-0000-7000-8000-000000000000", expect=1).err, "nobody knows it")
        equal(firm.admin("undelete", "memo", a, expect=2).code, 2, "memos are their author's alone")
        equal(firm.admin("undelete", "task", expect=2).code, 2, "which one?")


main(globals())
