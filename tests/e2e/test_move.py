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


def proposals(device):
    return [e for e in device.json("inbox") if e["kind"] in ("proposal", "proposed")]


def test_pending_edits_of_both_sides():
    """Lin's offline work from before the move stands; hers from after it is proposed to Sam, in both inboxes, and
    his answer reaches her."""
    with firm_with_reps(goods=False) as firm:
        lin, sam, mei = firm.device("lin"), firm.device("sam"), firm.device("mei")
        for device in (lin, sam, mei):
            device.sync()
        lin.set("customer", "L1", city="苏州")
        lin.run("visit", "log", "L1", "--outcome", "closed", "--note", "before the move")
        sam.set("customer", "S1", city="Pudong")
        firm.admin("move", "L1", "--to", "sam")
        equal(lin.sync()["refused"], 0, "made before she could know")
        sam.sync(), mei.sync()
        row = sam.json("show", "customer", "L1")
        equal((row["city"], row["note"]), ("苏州", "MARK-OF-LIN"), "Sam has it with her last word")
        equal([v["note"] for v in sam.json("list", "visit")], ["before the move"], "and her visit")
        firm.admin("move", "S1", "--to", "lin") # and the other way round, while Sam works on it
        sam.set("customer", "S1", city="Hongqiao")
        sam.sync(), lin.sync()
        equal(lin.json("show", "customer", "S1")["city"], "Hongqiao", "his edit from before")

        firm.admin("book", "give", "lin", "--to", "sam")
        lin.sync(), sam.sync()
        equal(names(lin), [], "nothing left")
        new = lin.new("customer", name="New Tea House", kind="prospect")
        lin.run("visit", "log", "New Tea House", "--outcome", "order", "--note", "they want tea")
        answer = lin.sync()
        equal((answer["refused"], len(proposals(lin))), (2, 2), "both became proposals")
        equal(lin.json("status")["needs_you"], 0, "Sam decides, not Lin")
        check("proposal" in lin.run("inbox").out, "in English")
        check("提议" in lin.run("inbox", env=environment(LEGWORK_LANG="zh")).out, "in Chinese")
        sam.sync()
        equal(sam.json("status")["needs_you"], 1, "one decision for both")
        offered = proposals(sam)
        equal([[c["table"] for c in p["changes"]] for p in offered], [["customer", "visit"]], "one group")
        shown = sam.run("inbox", "show", offered[0]["id"]).out
        check("New Tea House" in shown and "they want tea" in shown and "accept" in shown, shown)
        sam.run("inbox", "accept", offered[0]["id"])
        sam.run("inbox", "accept", offered[0]["id"], expect=1)
        equal(sam.sync()["refused"], 0, "Sam's acceptance")
        equal(firm.query("SELECT c.name, p.login FROM visit v JOIN customer c ON c.id = v.customer_id"
                         " JOIN person p ON p.id = v.person_id WHERE v.note = 'they want tea'"),
              [{"name": "New Tea House", "login": "lin"}], "the visit stays Lin's")
        lin.sync()
        equal({p["choice"] for p in lin.json("list", "proposal")}, {"accepted"}, "she sees it")
        check(b"Pub" not in b"".join(p.read_bytes() for p in lin.home.rglob("*") if p.is_file()),
              "nothing of Sam's reached her")
        for device in (lin, sam, mei):
            device.run("verify")
        firm.healthy()


def test_a_dismissed_proposal():
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync(), sam.sync()
        firm.admin("book", "give", "lin", "--to", "sam")
        lin.sync()
        lin.new("customer", name="Nobody's", kind="prospect")
        lin.sync(), sam.sync()
        own = lin.json("list", "proposal")[0]["id"]
        lin.run("inbox", "accept", own, expect=1)
        sam.run("inbox", "dismiss", proposals(sam)[0]["id"])
        sam.sync(), lin.sync()
        equal(firm.query("SELECT count(*) AS n FROM customer WHERE name = 'Nobody''s'")[0]["n"], 0, "not made")
        equal(lin.json("list", "proposal")[0]["choice"], "dismissed", "she sees it")
        equal(proposals(sam), [], "nothing left to decide")


def test_a_large_proposal():
    """What rests on a proposal joins it, however much that is: it is told shortly, shown whole, and accepted whole."""
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync(), sam.sync()
        firm.admin("book", "give", "lin", "--to", "sam")
        lin.sync()
        lin.new("customer", name="Tea House 0", kind="prospect")
        for i in range(1, 60):
            lin.set("customer", f"Tea House {i - 1}", name=f"Tea House {i}")
        equal(lin.sync()["refused"], 60, "all of it became proposals")
        sam.sync()
        offered = proposals(sam)
        equal([len(p["changes"]) for p in offered], [60], "one group")
        said = sam.run("inbox").out
        check("Tea House 4" in said and "Tea House 5" not in said and "and 55 more" in said, said)
        check("另有 55 项" in sam.run("inbox", env=environment(LEGWORK_LANG="zh")).out, "in Chinese")
        check("Tea House 59" in sam.run("inbox", "show", offered[0]["id"]).out, "shown whole")
        sam.run("inbox", "accept", offered[0]["id"])
        equal(sam.sync()["refused"], 0, "accepted")
        equal(proposals(sam), [], "nothing left to decide")
        equal(firm.query("SELECT name FROM customer WHERE name LIKE 'Tea House%'"), [{"name": "Tea House 59"}],
              "the last of her changes")
        lin.sync()
        equal(firm.query("SELECT count(*) AS n FROM proposal WHERE choice IS NULL"), [{"n": 0}], "open ones")


def test_a_role_changes():
    """A promoted rep sees costs and the team's books; demoted, both go, and what was priced before stands."""
    with firm_with_reps() as firm:
        firm.stop()
        firm.admin("import", "product", write_csv(firm.dir / "costs.csv", ["sku", "cost"],
                                                  ["TEA", "9.00"], ["CAKE", "3.00"]), "--key", "sku")
        firm.start()
        sam, lin = firm.device("sam"), firm.device("lin")
        sam.sync(), lin.sync()
        costs = "SELECT sku, cost FROM product WHERE cost IS NOT NULL ORDER BY sku"
        equal(sam.sql(costs), [], "a rep sees no cost")
        firm.admin("user", "edit", "sam", "--role", "manager")
        firm.admin("user", "edit", "lin", "--manager", "sam")
        sam.sync()
        equal(sam.sql(costs), [{"sku": "CAKE", "cost": 300}, {"sku": "TEA", "cost": 900}], "now he does")
        check("城隍庙茶庄" in names(sam), "and Lin's customers")
        sam.set("product", "TEA", name="Green tea 特级")
        sam.set("customer", "L1", city="嘉兴")
        firm.admin("user", "edit", "sam", "--role", "rep")
        equal(sam.sync()["refused"], 0, "written while he was one")
        equal(firm.query("SELECT name FROM product WHERE sku = 'TEA'"), [{"name": "Green tea 特级"}], "it stands")
        equal(firm.query("SELECT city FROM customer WHERE no = 'L1'"), [{"city": "嘉兴"}], "this too")
        equal(sam.sql(costs), [], "the costs are gone")
        check("城隍庙茶庄" not in names(sam), "and Lin's customers")
        sam.run("verify")


def test_past_days_stay_as_they_were():
    """A day's figures, on the device and in the report, don't change when its customers go to somebody else."""
    with firm_with_reps() as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync(), sam.sync()
        lin.run("visit", "log", "L1", "--outcome", "order", "--minutes", "20")
        lin.run("order", "new", "L1", "TEA=2", "--submit")
        lin.run("pay", "L1", "12.00")
        lin.run("visit", "log", "L2", "--outcome", "closed")
        lin.run("visit", "plan", "L2", "today")
        lin.sync()

        def day():
            lin.run("report", "day")
            return lin.json("list", "daily_report")[0]["auto_json"]

        def report():
            return [{k: v for k, v in r.items() if k != "complete_up_to"} for r in firm.report("team_day")]
        mine, theirs = day(), report()
        firm.admin("move", "L1", "--to", "sam")
        lin.sync(), sam.sync()
        equal((day(), report()), (mine, theirs), "after the move")
        equal(len(lin.json("list", "visit")), 1, "though the visit is gone")
        firm.admin("book", "give", "lin", "--to", "sam")
        lin.sync(), sam.sync()
        equal((day(), report()), (mine, theirs), "after the whole book went")
        equal(lin.json("list", "visit"), [], "without a visit left")
        firm.admin("move", "L1", "--to", "lin")
        firm.admin("book", "give", "sam", "--to", "lin", "--book", "林晓")
        lin.sync()
        equal(len(lin.json("list", "visit")), 2, "all back")
        equal((day(), report()), (mine, theirs), "counted once")
        for device in (lin, sam):
            device.run("verify")
        firm.healthy()


main(globals())
