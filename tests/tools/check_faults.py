#!/usr/bin/env python3
"""The table of faults in tests/README.md: each case stands in it once, with what is expected and either the
tests that show it or the reason why none does; the files and tests that it names exist."""
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
CASES = [f"{letter}{n}" for letter, last in (("A", 47), ("C", 24), ("S", 22), ("T", 6)) for n in range(1, last + 1)]
WORDS_MAX = 14  # of what is expected: a table is read at a glance
ROW = re.compile(r"^\| ([ACST]\d+) \| (.+?) \| (.+?) \|$", re.M)
NAMED = re.compile(r"`([\w/.]+): ([^`]+)`")
# How a test is declared, by the kind of file; a line of a table of cases is known by its first text.
DECLARED = {".py": r"^def {0}\(", ".c": r'^(static void {0}\(void \*\*state\)|int {0}\()|^\s*\{{+"{0}"|^\s*"{0}",',
            ".def": r"\b{0}\b"}

complaints = []


def check_named(case, where):
    named = NAMED.findall(where)
    if not named and "not covered: " not in where:
        complaints.append(f"{case}: neither a test nor 'not covered: ' with the reason")
    if where.count("`") != 2 * len(named):
        complaints.append(f"{case}: tests are named as `file: test`, each by itself")
    for file, test in named:
        path = TESTS / file
        if not path.is_file():
            complaints.append(f"{case}: there is no tests/{file}")
        elif not re.search(DECLARED[path.suffix].format(re.escape(test)), path.read_text(), re.M):
            complaints.append(f"{case}: tests/{file} has no test {test}")


def main():
    section = re.search(r"^## Faults\n(.*?)(?=^## |\Z)", (TESTS / "README.md").read_text(), re.M | re.S)
    rows = ROW.findall(section[1]) if section else []
    found = [case for case, _, _ in rows]
    for case in CASES:
        if found.count(case) != 1:
            complaints.append(f"{case} stands {found.count(case)} times in the table")
    complaints.extend(f"{case}: no such case" for case in found if case not in CASES)
    for case, expected, where in rows:
        if len(expected.split()) > WORDS_MAX:
            complaints.append(f"{case}: {len(expected.split())} words, more than {WORDS_MAX}")
        check_named(case, where)
    for line in complaints:
        print(line)
    return 1 if complaints else 0


sys.exit(main())
