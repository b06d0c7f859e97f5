#!/usr/bin/env python3
"""The change log: what became of a row, who changed what, the row as it stood; and a log that somebody
changed with another tool is found by verify."""
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps


def test_history_tells_who_changed_what():
    with firm_with_reps() as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync()
        sam.sync()
        before = int(time.time() * 1000)
        time.sleep(0.05)
        lin.set("customer", "L1", city="杭州")
        lin.sync()
        firm.admin("move", "L1", "--to", "sam")
        told = firm.admin("history", "customer", "L1", "--json").json()
        acts = [c["act"] for c in told["changes"]]
        equal(acts, ["made", "moved", "changed", "moved"], "what became of the customer")
        edit = told["changes"][2]
        equal([c["new"] for c in edit["columns"] if c["column"] == "city"], ["杭州"], "the new city")
        check(edit["device"] == 1 and edit["outcome"] == "accepted", f"Lin's tablet wrote it: {edit}")
        equal(told["row"]["city"], "杭州", "the row of now")
        text = firm.admin("history", "customer", "L1").out
        check("city: " in text and "-> 杭州" in text and "(D1)" in text, text)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before / 1000)) + "Z"
        old = firm.admin("history", "customer", "L1", "--as-of", stamp, "--json").json()
        check(old["row"] is None or old["row"]["city"] != "杭州", f"as it stood: {old['row']}")
        check(firm.admin("history", "customer", "NOBODY", expect=1).code == 1, "nobody is called so")
        check(firm.admin("history", "nothing", "L1", expect=2).code == 2, "no such table")
        check(firm.admin("history", "memo", "x", expect=2).code == 2, "memos are their author's alone")
        firm.healthy()


def test_verify_names_what_was_changed():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        lin.sync()
        lin.set("customer", "L1", city="杭州")
        lin.sync()
        firm.healthy()
        store = sqlite3.connect(firm.data / "store.db")
        no, body = store.execute("SELECT no, body FROM change_log WHERE device = 1"
                                 " ORDER BY no DESC LIMIT 1").fetchone()
        at = body.index("杭州".encode())
        store.execute("UPDATE change_log SET body = ? WHERE no = ?",
                      (body[:at] + "广州".encode() + body[at + 6:], no))
        store.commit()
        found = firm.admin("verify", expect=1)
        check(found.code == 1 and f"entry {no}" in found.err and "hash" in found.err, f"{found}")
        found = firm.admin("verify", "--json", expect=1)
        check(found.code == 1 and found.json()["ok"] is False, f"{found}")
        store.execute("UPDATE change_log SET body = ? WHERE no = ?", (body, no))
        store.execute("DELETE FROM change_row WHERE no = ?", (no,))
        store.commit()
        check(firm.admin("verify", expect=1).code == 1, "a row of the log is gone")
        store.close()


main(globals())
