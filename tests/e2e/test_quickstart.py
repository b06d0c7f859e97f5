#!/usr/bin/env python3
"""The first thing that anybody types: twice, then stop and reset; no terminal, no questions."""
import os
import re
import tempfile
import urllib.request
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import ROOT, check, environment, equal, main, run

SCRIPT = ROOT / "server" / "quickstart.sh"


def quickstart(place, *args, expect=0):
    return run(["setsid", "sh", SCRIPT, *args], env=environment(LEGWORK_QUICKSTART=str(place)),
               expect=expect, timeout=800)


def health(out):
    address = re.search(r"http://127\.0\.0\.1:\d+/health", out)[0]
    with urllib.request.urlopen(address, timeout=5) as answer:
        return answer.status


def query(place, sql):
    programs = ROOT / "build" / "programs"
    return run([programs / "legworkd", "--data", place / "server", "query", "--format", "json", sql]).json()


def test_quickstart():
    with tempfile.TemporaryDirectory(prefix="legwork-") as folder:
        place = pathlib.Path(folder) / "firm"
        try:
            first = quickstart(place).out
            for word in ("https://127.0.0.1:", "mei", "--report team_day", "quickstart.sh stop"):
                check(word in first, f"{word!r} is printed:\n{first}")
            equal(health(first), 200, "the server answers")
            visits = query(place, "SELECT count(*) AS n FROM visit")[0]["n"]
            check(visits >= 5, f"the reps' visits arrived: {visits}")
            customers = query(place, "SELECT count(*) AS n FROM customer")[0]["n"]
            check(customers >= 24, f"the sample firm's customers: {customers}")

            for line in re.findall(r"^  (\S*legworkd? --(?:.*\\\n)*.*)", first, re.M):
                run(["sh", "-c", line], env=environment())

            again = quickstart(place).out
            check("https://127.0.0.1:" in again, "a second run says the same")
            after = query(place, "SELECT count(*) AS n FROM visit")[0]["n"]
            check(after >= visits, "and goes on with the same data")

            quickstart(place, "stop")
            try:
                health(first)
                raise AssertionError("the server still answers after stop")
            except OSError:
                pass
            third = quickstart(place).out
            equal(health(third), 200, "it starts again after a stop")
            equal(query(place, "SELECT count(*) AS n FROM visit")[0]["n"], after, "the data is the same")
            quickstart(place, "reset")
            check(not place.exists(), "reset leaves nothing behind")
            quickstart(place, "nonsense", expect=2)
        finally:
            if os.path.exists(place):
                quickstart(place, "reset", expect=None)


main(globals())
