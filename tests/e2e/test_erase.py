#!/usr/bin/env python3
"""A person's data is erased: not a byte of it is left in the store, nor on a device that has synced;
the change log still verifies, an erasure that was killed goes on, and late work changes nothing."""
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import LEGWORKD, check, environment, equal, main
from sample import firm_with_reps

NAME, PHONE, MAIL = "Zacharias Quisling", "13912345678", "zq@vanish.example"


def holds(folder, *texts):
    """Files below that have one of the texts in them."""
    return sorted(f"{p.name}: {t}" for p in pathlib.Path(folder).rglob("*") if p.is_file()
                  for t in texts if t.encode() in p.read_bytes())


def log(firm, sql):
    store = sqlite3.connect(f"file:{firm.data / 'store.db'}?mode=ro", uri=True)
    try:
        return store.execute(sql).fetchone()
    finally:
        store.close()


def with_contact(lin):
    lin.sync()
    contact = lin.new("contact", customer_id="L1", name=NAME, phones=PHONE, email=MAIL)["id"]
    lin.sync()
    lin.set("contact", contact, note="likes VANISHING tea")
    lin.sync()
    return contact


def test_a_dry_run_touches_nothing():
    with firm_with_reps() as firm:
        contact = with_contact(firm.device("lin"))
        before = log(firm, "SELECT max(no) FROM change_log")
        ledger = (firm.data / "ledger").read_bytes()
        told = firm.admin("erase", "contact", NAME, "--dry-run", "--json").json()
        equal(told["tables"], {"contact": 1}, "what would go")
        equal(log(firm, "SELECT max(no) FROM change_log"), before, "nothing was written")
        equal((firm.data / "ledger").read_bytes(), ledger, "nor noted")
        equal(firm.query("SELECT name FROM contact")[0]["name"], NAME, "the contact is as it was")
        check(contact and "--dry-run" in firm.admin("erase", "contact", NAME, expect=2).err, "asks")
        firm.admin("erase", "contact", "nobody", "--yes", expect=1)
        firm.admin("erase", "visit", NAME, "--yes", expect=2)
        check("no erasure" in firm.admin("erase", "--resume").out, "nothing is left to do")
        firm.healthy()


def test_not_a_byte_is_left():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        contact = with_contact(lin)
        check("Quisling" in lin.run("find", "Zachar").out, "found, so that the index has it")
        texts = (NAME, "Quisling", PHONE, MAIL, "VANISHING")
        check(holds(firm.data, *texts) and holds(lin.replica.parent, *texts), "it was there")
        done = firm.admin("erase", "contact", NAME, "--yes", "--json").json()
        check(done["rows"] == 1 and done["entries"] >= 2, f"{done}")
        equal(holds(firm.data, *texts), [], "in the data directory")
        told = firm.admin("history", "contact", contact, "--json").json()
        equal(told["changes"][-1]["intent"], "erase", "the history tells of it")
        check(NAME not in str(told) and PHONE not in str(told), f"and of nothing else: {told}")
        firm.healthy()
        lin.sync()
        equal(holds(lin.replica.parent, *texts), [], "on the device")
        check(lin.json("show", "contact", contact)["name"] == "erased", "the row is there, and empty")
        lin.healthy()
        firm.healthy()


def test_late_work_is_refused_and_destroyed():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        contact = with_contact(lin)
        lin.set("contact", contact, note="a LATE-SECRET")
        firm.admin("erase", "contact", NAME, "--yes")
        lin.sync(expect=None)
        kept = lin.json("inbox", expect=None)
        check(any(e.get("code") == "erased" for e in kept), f"the inbox says why: {kept}")
        equal(log(firm, "SELECT code, length(body) FROM change_log ORDER BY no DESC LIMIT 1"), ("erased", 0),
              "logged, and its content is gone")
        lin.sync(expect=None)
        equal(holds(firm.data, "LATE-SECRET"), [], "nothing of it on the server")
        equal(holds(lin.replica.parent, "LATE-SECRET", NAME), [], "nor on the device")
        firm.healthy()
        lin.healthy()


def test_killed_half_way_it_goes_on():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        with_contact(lin)
        for i in range(40):
            lin.new("contact", customer_id="L1", name=f"VANISH-{i:03}")
        lin.sync()
        job = subprocess.Popen([LEGWORKD, "--data", firm.data, "erase", "customer", "L1", "--yes"],
                               env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        emptied = 0
        while emptied < 3 and job.poll() is None and time.monotonic() < end:
            emptied = log(firm, "SELECT count(entries) FROM erase_item")[0]
        job.send_signal(signal.SIGKILL)
        job.wait()
        left = log(firm, "SELECT count(*) FROM erase_item WHERE entries IS NULL")[0]
        print(f"killed with {left} rows to go")
        firm.admin("erase", "--resume")
        equal(holds(firm.data, "VANISH-", NAME), [], "all of it went")
        equal(log(firm, "SELECT count(*) FROM erase_job WHERE done_at IS NULL"), (0,), "ended")
        firm.healthy()
        lin.sync()
        equal(holds(lin.replica.parent, "VANISH-", NAME), [], "on the device as well")


def test_a_restore_erases_again():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        with_contact(lin)
        firm.admin("backup", firm.dir / "before.db")
        firm.admin("erase", "contact", NAME, "--yes")
        firm.stop()
        firm.admin("restore", firm.dir / "before.db")
        firm.start()
        equal(firm.query("SELECT name FROM contact")[0]["name"], "erased", "erased again")
        equal(holds(firm.data / "store.db", NAME) + [t for t in (NAME, PHONE, MAIL) if t.encode()
              in (firm.data / "store.db").read_bytes()], [], "not a byte in the store")
        lin.sync(expect=None)
        lin.sync()
        equal(firm.query("SELECT name FROM contact")[0]["name"], "erased", "no device brings it back")
        equal(holds(lin.replica.parent, NAME, PHONE, MAIL), [], "nor keeps it")
        firm.healthy()


def test_an_employee_and_their_places():
    with firm_with_reps() as firm:
        sam, lin = firm.device("sam"), firm.device("lin")
        sam.sync(), lin.sync()
        sam.run("visit", "log", "S1", "--outcome", "closed", "--at", "31.234567,121.456789,10")
        sam.sync()
        check(holds(firm.data, "Sam Porter"), "known")
        told = firm.admin("erase", "person", "sam", "--dry-run", "--json").json()["tables"]
        equal((told["person"], told["visit"], told["book"], told["device"]), (1, 1, 1, 1), "what would go")
        firm.admin("erase", "person", "sam", "--yes")
        equal(holds(firm.data, "Sam Porter"), [], "the name is nowhere")
        visit = firm.query("SELECT lat, lng, acc_m, outcome FROM visit")[0]
        equal(visit, {"lat": None, "lng": None, "acc_m": None, "outcome": "closed"}, "the visit stays")
        sam.run("sync", expect=1)
        lin.sync()
        equal(holds(lin.replica.parent, "Sam Porter"), [], "nor with a colleague")
        firm.healthy()


main(globals())
