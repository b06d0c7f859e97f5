#!/usr/bin/env python3
"""Work that travels as a file: `legwork courier export`, `legworkd courier import`, in any order with
syncs; files that aren't taken; a revoked device's work; and `legwork enroll` over a folder that is
enrolled already."""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Device, Firm, check, equal, main
from sample import firm_with_reps


def take(firm, *files, expect=0):
    return firm.admin("courier", "import", "--json", *files, expect=expect).json()


def note_of(firm, no="L1"):
    return firm.query(f"SELECT note FROM customer WHERE no = '{no}'")[0]["note"]


def test_a_file_and_a_sync_in_any_order():
    with firm_with_reps() as firm:
        phone = firm.device("lin", "phone")
        phone.sync()
        first, second = firm.dir / "first.lwc", firm.dir / "second.lwc"
        equal(phone.json("courier", "export", first), {"file": None, "transactions": 0, "bytes": 0},
              "an export of nothing")
        check(not first.exists(), "no file where nothing waits")
        phone.set("customer", "L1", note="by hand")
        said = phone.json("courier", "export", first)
        equal((said["transactions"], said["bytes"]), (1, first.stat().st_size), "what the export says")
        check("by hand".encode() not in first.read_bytes(), "the file can't be read by who carries it")
        phone.set("customer", "L2", note="later")
        equal(phone.json("courier", "export", second)["transactions"], 2, "what the second file holds")
        report = take(firm, second, first)
        equal([(r["taken"], r["accepted"], r["known"]) for r in report], [(True, 2, 0), (True, 1, 1)],
              "the later file first")
        equal(note_of(firm), "by hand", "the note at the server")
        equal(phone.json("status")["pending"], 2, "what waits until the device has heard")
        equal(phone.sync()["accepted"], 2, "what the sync tells")
        equal(phone.json("status")["pending"], 0, "what waits then")
        equal(take(firm, first)[0]["known"], 1, "a file that comes after the sync")
        phone.set("customer", "L1", note="over the wire")
        equal(phone.sync()["accepted"], 1, "syncing goes on")
        equal(firm.query("SELECT count(*) AS n FROM kept_value")[0]["n"], 0, "conflicts made of nothing")
        firm.healthy()
        phone.healthy()


def test_files_that_are_not_taken():
    with firm_with_reps() as firm, Firm(company="Other Firm") as other:
        phone = firm.device("lin", "phone")
        file = firm.dir / "work.lwc"
        refused = phone.run("courier", "export", file, expect=1)
        check("legwork sync" in refused.err, f"without the server's key it says what to do: {refused}")
        phone.sync()
        phone.set("customer", "L1", note="never")
        phone.run("courier", "export", file)
        whole = file.read_bytes()
        cases = {"truncated": whole[:-1], "damaged": whole[:200] + b"!" + whole[201:],
                 "foreign": b"PK\x03\x04" + whole[4:], "newer_version": whole[:11] + b"\x09" + whole[12:]}
        for code, content in cases.items():
            bad = firm.dir / f"{code}.lwc"
            bad.write_bytes(content)
            equal(take(firm, bad, expect=1)[0]["code"], code, "why it isn't taken")
        equal(take(other, file, expect=1)[0]["code"], "other_server", "at another firm")
        said = firm.admin("courier", "import", firm.dir / "truncated.lwc", expect=1)
        check("cut short" in said.err and "nothing of it was taken" in said.err, f"in words: {said}")
        missing = firm.admin("courier", "import", firm.dir / "none.lwc", expect=1)
        check("none.lwc" in missing.err, f"a file that isn't there: {missing}")
        firm.admin("courier", "import", expect=2)
        equal(note_of(firm), "MARK-OF-LIN", "the note, after all that")
        unwritable = phone.run("courier", "export", firm.dir / "no" / "where.lwc", expect=1)
        check("where.lwc" in unwritable.err, f"an export that can't be written: {unwritable}")
        leftovers = [p.name for p in firm.dir.iterdir() if ".part-" in p.name]
        equal(leftovers, [], "half files")
        equal(take(firm, file)[0]["accepted"], 1, "the whole file, after the bad ones")


def test_a_revoked_devices_work_waits_for_an_admin():
    with firm_with_reps() as firm:
        phone = firm.device("lin", "phone")
        phone.sync()
        phone.set("customer", "L1", note="good work")
        phone.set("customer", "L2", note="bad work")
        file = firm.dir / "last.lwc"
        phone.run("courier", "export", file)
        firm.admin("device", "revoke", phone.json("status")["device"])
        equal(take(firm, file)[0]["quarantined"], 2, "what goes into quarantine")
        equal(take(firm, file)[0]["quarantined"], 0, "the second time")
        equal(note_of(firm), "MARK-OF-LIN", "nothing of it is applied")
        waiting = firm.admin("courier", "list", "--json").json()
        equal([w["state"] for w in waiting], ["waiting", "waiting"], "what the admin sees")
        firm.admin("courier", "release", waiting[0]["no"])
        firm.admin("courier", "discard", waiting[1]["no"])
        equal((note_of(firm), note_of(firm, "L2")), ("good work", "MARK-OF-LIN"), "what was let in")
        firm.admin("courier", "release", waiting[1]["no"], expect=1)
        firm.admin("courier", "release", "x", expect=2)
        firm.healthy()


def test_two_live_copies_enrol_again():
    with firm_with_reps() as firm:
        one = firm.device("lin", "one")
        one.sync()
        one.set("customer", "L1", note="in both copies")
        shutil.copytree(one.home, firm.dir / "two")
        two = Device(firm, "two")
        one.sync()
        one.sync()
        two.sync()
        two.set("customer", "L2", note="of the copy")
        one.set("customer", "L2", city="Hangzhou")
        said = one.run("sync", expect=1)
        check("legwork enroll" in said.err, f"it says what to do: {said}")
        key = (one.home / "device.key").read_bytes()
        one.run("enroll", firm.invite("sam"), expect=1)
        for device in (one, two):
            device.run("enroll", firm.invite("lin"))
            device.sync()
        check((one.home / "device.key").read_bytes() != key, "the key is a new one")
        check(not (one.home / "device.key.next").exists(), "no key is left over")
        one.sync()
        rows = firm.query("SELECT no, note, city FROM customer WHERE no IN ('L1', 'L2') ORDER BY no")
        equal([(r["note"], r["city"]) for r in rows],
              [("in both copies", "上海"), ("of the copy", "Hangzhou")], "the work of both")
        equal(one.json("list", "customer"), two.json("list", "customer"), "what both hold")
        check(one.json("status")["device"] != two.json("status")["device"], "they are two devices")
        firm.healthy()
        one.healthy()


main(globals())
