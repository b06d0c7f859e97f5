#!/usr/bin/env python3
"""C code looks as .clang-format says. Nothing is changed; `clang-format-14 -i FILE` does that.
The catalogue's *.def files are tables made by hand and stay out."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
tool = shutil.which("clang-format-14") or shutil.which("clang-format")
if not tool:
    print("skipped: clang-format isn't installed")
    sys.exit(77)
files = [p for top in ("protocol", "common", "client", "server", "tests")
         for p in sorted((ROOT / top).rglob("*.[ch]")) if "node_modules" not in p.parts]
result = subprocess.run([tool, "--dry-run", "--Werror", *map(str, files)], cwd=ROOT, check=False,
                        capture_output=True, text=True)
print("\n".join(line for line in result.stderr.splitlines() if "error:" in line))
sys.exit(1 if result.returncode else 0)
