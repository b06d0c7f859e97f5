#!/usr/bin/env python3
"""What every file of the tree keeps: no leftovers, no paths of one machine, a readable length, known
names at the top, a README in each folder of code."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = {"client", "server", "common", "protocol", "tests", "CMakeLists.txt", "CMakePresets.json",
       "README.md", "LICENSE"}
LINES_MAX = 700
TEST_LINES_MAX = 900  # tables of cases
CODE = {".c", ".h", ".py", ".sh", ".mjs", ".ts", ".sql", ".def"}
# Written in pieces, so that this file doesn't find itself.
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|place" r"holder text)\b")
MACHINE = re.compile(r"(?<![\w.$}])/(home/\w|root/|work/|Users/\w|tmp/wt)")
READABLE = {".c", ".h", ".py", ".sh", ".md", ".sql", ".def", ".cmake", ".txt", ".json", ".cddl",
            ".mjs", ".ts", ".csv", ".yaml", ".svg"}
DATA = {".json", ".csv", ".txt"}  # a folder of these alone is told about in the one above
NO_LENGTH = {".json", ".csv", ".svg", ".md", ".def"}

complaints = []


def tracked():
    """Files that git knows or would add; without git, all that lies there outside of build/."""
    try:
        out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout
        return [pathlib.Path(p) for p in out.splitlines() if (ROOT / p).exists()]
    except (OSError, subprocess.CalledProcessError):
        return [p.relative_to(ROOT) for p in ROOT.rglob("*") if p.is_file() and not
                {"build", "node_modules", ".git", "__pycache__"} & set(p.relative_to(ROOT).parts)]


def check_lines(path, text):
    lines = text.splitlines()
    lines_max = TEST_LINES_MAX if path.parts[0] == "tests" else LINES_MAX
    if len(lines) > lines_max and path.suffix not in NO_LENGTH:
        complaints.append(f"{path}: {len(lines)} lines, more than {lines_max}")
    for n, line in enumerate(lines, 1):
        for pattern, what in ((LEFTOVER, "a leftover"), (MACHINE, "a path of one machine")):
            m = pattern.search(line)
            if m:
                complaints.append(f"{path}:{n}: {what}: {m[0]}")
        if line != line.rstrip() and path.suffix not in (".md", ".csv"):
            complaints.append(f"{path}:{n}: white space at the end of the line")
    if text and not text.endswith("\n"):
        complaints.append(f"{path}: no newline at the end")


def main():
    files = tracked()
    folders = set()
    for path in files:
        first = path.parts[0]
        if first not in TOP and not first.startswith("."):
            complaints.append(f"{path}: the top level holds {', '.join(sorted(TOP))} and dotfiles")
        if not first.startswith(".") and path.suffix in CODE:
            folders.update(p for p in path.parents if p != pathlib.Path("."))
        if path.suffix in READABLE or path.name == "LICENSE":
            try:
                check_lines(path, (ROOT / path).read_text(encoding="utf-8"))
            except UnicodeDecodeError:
                complaints.append(f"{path}: isn't UTF-8")
    for folder in sorted(folders):
        if not (ROOT / folder / "README.md").exists():
            complaints.append(f"{folder}: has no README.md")
    print("\n".join(complaints))
    return 1 if complaints else 0


sys.exit(main())
