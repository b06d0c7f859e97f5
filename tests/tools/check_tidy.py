#!/usr/bin/env python3
"""clang-tidy has nothing to say about any .c file of the build, with the checks in .clang-tidy.

A file that passed is remembered in the build folder by the hash of itself and of all that it may
include, so that a second run only looks at what changed."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LEGWORK_BUILD", ROOT / "build" / "dev")).resolve()
TOPS = ("protocol", "common", "client", "server", "tests")


def surroundings():
    """Hash of what any .c file may be judged by, other than itself."""
    h = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for top in TOPS:
        for path in sorted(p for p in (ROOT / top).rglob("*") if p.suffix in (".h", ".def")):
            h.update(path.read_bytes())
    return h.hexdigest()


def tidy(tool, path):
    result = subprocess.run([tool, "--quiet", "-p", str(BUILD), str(path)], check=False, cwd=ROOT,
                            capture_output=True, text=True)
    said = [line for line in result.stdout.splitlines() if line.strip()]
    return path, result.returncode, "\n".join(said)


def main():
    tool = shutil.which("clang-tidy-14") or shutil.which("clang-tidy")
    commands = BUILD / "compile_commands.json"
    if not tool or not commands.exists():
        print("skipped: no clang-tidy, or no compile_commands.json in the build folder")
        return 77
    around = surroundings()
    passed_file = BUILD / "tidy-passed.json"
    passed = set(json.loads(passed_file.read_text())) if passed_file.exists() else set()
    keys = {}
    for entry in json.loads(commands.read_text()):
        path = pathlib.Path(entry["file"])
        ours = ROOT in path.parents and BUILD not in path.parents
        if path.suffix == ".c" and ours and path.exists():
            keys[path] = hashlib.sha256((around + str(path)).encode() + path.read_bytes()).hexdigest()
    todo = sorted(p for p, key in keys.items() if key not in passed)
    still = {key for key in keys.values() if key in passed}
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for path, code, said in pool.map(lambda p: tidy(tool, p), todo):
            if code == 0:
                still.add(keys[path])
            else:
                failed += 1
                print(f"== {path.relative_to(ROOT)}\n{said}")
    passed_file.write_text(json.dumps(sorted(still)))
    print(f"{len(todo)} files looked at, {failed} with findings")
    return 1 if failed else 0


sys.exit(main())
