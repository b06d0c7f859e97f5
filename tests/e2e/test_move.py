#!/usr/bin/env python3
"""Customers and whole books change hands while work on them is under way, by the real programs."""
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import LEGWORKD, check, environment, equal, main
from sample import firm_with_reps, write_csv


def names(device):
    return sorted(r["name"] for r in device.json("list", "customer"))


def test_a_dry_run_says_what_would_go_where():
    with firm_with_reps() as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync(), sam.sync()
        lin.run("visit", "log", "L1", "--outcome", "closed")
        lin.sync()
        plan = firm.admin("move", "L1", "L2", "--to", "sam", "--dry-run", "--json").json()
        equal((plan["customers"], plan["rows"], plan["tables"]), (2, 3, {"customer": 2, "visit": 1}), "rows")
        equal([(b["book"], b["customers"]) for b in plan["from"]], [("林晓", 2)], "from which book")
        equal(plan["to"], "Sam Porter", "to which book")
        equal([(d["login"], d["loses"], d["gains"]) for d in plan["devices"]],
              [("lin", True, False), ("sam", False, True)], "devices")
        text = firm.admin("move", "L1", "--to", "sam", "--dry-run").out
        check("loses them" in text and "14 days" in text, text)
        text = firm.admin("move", "L1", "--to", "sam", "--dry-run", env=environment(LEGWORK_LANG="zh")).out
        check("将失去" in text, text)
        equal(firm.query("SELECT count(*) AS n FROM customer WHERE no LIKE 'L%' AND book_id ="
                         " (SELECT id FROM book WHERE name = '林晓')")[0]["n"], 2, "nothing moved")
        firm.healthy()


def test_many_by_a_file_and_again():
    with firm_with_reps(goods=False) as firm:
        listed = firm.dir / "customers.txt"
        listed.write_text("# those of Lin\nL1\r\n\nL2\nL1\n")
        done = firm.admin("move", "--from-file", listed, "--to", "sam", "--json").json()
        equal((done["customers"], done["rows"], done["failed"]), (2, 2, 0), "moved")
        again = firm.admin("move", "L1", "L2", "--to", "sam", "--json").json()
        equal((again["customers"], again["rows"]), (2, 0), "the second time they are there already")
        departures = "SELECT count(*) AS n FROM departure"
        equal(firm.query(departures)[0]["n"], 6, "four left the house book, two of them Lin's")
        jobs = firm.admin("move", "--list", "--json").json()
        equal({j["finished"] for j in jobs}, {1}, "all finished")
        listed.write_text("L1\nnobody\n")
        r = firm.admin("move", "--from-file", listed, "--to", "lin", expect=1)
        check("nobody" in r.err, f"says who isn't there\n{r}")
        equal(firm.query(departures)[0]["n"], 6, "and moves nobody")
        for words in (["move", "--to", "sam"], ["move", "L1"], ["move", "--resume", "--list"],
                      ["move", "--resume", "--to", "sam"]):
            firm.admin(*words, expect=2)
        check("no move" in firm.admin("move", "--resume").out, "nothing is left to do")


def test_a_killed_job_goes_on():
    """Killed at whatever it was doing, three times; then by --resume, then by the server's start."""
    with firm_with_reps(goods=False) as firm:
        firm.stop()
        count = 1500
        firm.admin("import", "customer", write_csv(
            firm.dir / "many.csv", ["no", "name", "kind"],
            *([f"M{i}", f"Shop {i}", "customer"] for i in range(count))))
        listed = firm.dir / "many.txt"
        listed.write_text("".join(f"M{i}\n" for i in range(count)))
        moved = "SELECT count(*) AS n FROM customer WHERE no LIKE 'M%' AND book_id = (SELECT id FROM book" \
                " WHERE home_of_id = (SELECT id FROM person WHERE login = 'sam'))"
        at = 0
        for words in (["--from-file", listed, "--to", "sam"], ["--resume"], ["--resume"]):
            job = subprocess.Popen([LEGWORKD, "--data", firm.data, "move", *words], env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + 30
            while firm.query(moved)[0]["n"] < at + 20 and time.monotonic() < end and job.poll() is None:
                time.sleep(0.005)
            job.send_signal(signal.SIGKILL)
            job.wait()
            at = firm.query(moved)[0]["n"]
            check(0 < at < count, f"killed in the middle: {at}")
        firm.start() # goes on by itself
        equal(firm.query(moved)[0]["n"], count, "all of them")
        equal(firm.query("SELECT count(*) AS n FROM departure d JOIN customer c ON c.id = d.row"
                         " WHERE c.no LIKE 'M%'")[0]["n"], count, "each moved once")
        firm.healthy()


def test_a_book_is_given():
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync(), sam.sync()
        seqs = "SELECT no, _seq FROM customer ORDER BY no"
        before = firm.query(seqs)
        dry = firm.admin("book", "give", "lin", "--to", "sam", "--dry-run", "--json").json()
        equal((dry["books"], dry["customers"]), (1, 2), "dry run")
        lin.set("customer", "L1", city="before the handover")
        firm.admin("book", "give", "lin", "--to", "sam")
        check("nothing to give" in firm.admin("book", "give", "lin", "--to", "sam").out, "the second time")
        equal(firm.query(seqs), before, "no row is touched")
        books = {b["name"]: b for b in firm.admin("book", "list", "--json").json()}
        equal((books["林晓"]["holders"], books["林晓"]["customers"]), ("sam", 2), "the list")
        lin.sync(), sam.sync()
        equal(names(lin), [], "Lin's device let go of it")
        check("城隍庙茶庄" in names(sam), "Sam's has it")
        for device in (lin, sam):
            device.run("verify")
        for words, said in ((["lin", "--to", "lin"], "same person"), (["lin", "--to", "nobody"], "nobody"),
                            (["nobody", "--to", "sam"], "nobody"),
                            (["sam", "--to", "lin", "--book", "nonsense"], "nonsense")):
            r = firm.admin("book", "give", *words, expect=1)
            check(said in r.err, f"says what is wrong\n{r}")
        firm.admin("user", "disable", "lin")
        check("inactive" in firm.admin("book", "give", "sam", "--to", "lin", expect=1).err, "to who has left")
        firm.healthy()


main(globals())
