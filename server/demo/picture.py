#!/usr/bin/env python3
"""Draws the README's picture: types commands at the sample firm of server/quickstart.sh, and renders
what they print as a terminal in server/demo/legwork.svg. Nothing in it is made up.

    sh server/quickstart.sh reset && sh server/quickstart.sh && python3 server/demo/picture.py"""
import html
import os
import pathlib
import re
import shlex
import subprocess
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = pathlib.Path(os.environ.get("LEGWORK_QUICKSTART", ROOT / "build" / "quickstart"))
PROGRAMS = ROOT / "build" / "programs"
CELL, LINE, LEFT, TOP = 8.4, 19, 18, 50
# (prompt, program and where it looks, words)
SCENES = [
    ("lin, in the cellar of the tea house, no network",
     [("lin", "find", "城隍"), ("lin", "visit", "start", "城隍庙茶庄"),
      ("lin", "order", "new", "城隍庙茶庄", "TEA-TGY-125=12", "SAU-CH-280=24"),
      ("lin", "order", "submit", "{order}"),
      ("lin", "visit", "finish", "--outcome", "order", "--note", "加一排货架"), ("lin", "status")]),
    ("an hour later, back in the street", [("lin", "sync")]),
    ("the manager, at her desk", [("query", "--report", "team_day", "--format", "csv")]),
]
COLUMNS = "2-10,14"  # of the report: what fits a picture


def run(words):
    """What is typed, and what is printed."""
    if words[0] == "query":
        program, place, rest = "legworkd", ["--data", PLACE / "server"], words
        pipe = f" | cut -d, -f{COLUMNS}"
    else:
        program, place, rest, pipe = "legwork", ["--home", PLACE / words[0]], words[1:], ""
    line = " ".join(shlex.quote(str(w)) for w in [PROGRAMS / program, *place, *rest])
    done = subprocess.run(["sh", "-c", line + pipe], env=dict(os.environ, LEGWORK_LANG="en"),
                          capture_output=True, text=True, check=True)
    typed = " ".join([program, *(w if re.fullmatch(r"[^\s'\"]+", w) else f"'{w}'" for w in rest)])
    return typed + pipe, (done.stdout + done.stderr).rstrip("\n").split("\n")


def cells(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pieces(text):
    """Runs of narrow and of wide characters, so that columns stay columns in any font."""
    at, out = 0, []
    for c in text:
        wide = unicodedata.east_asian_width(c) in "WF"
        if not out or out[-1][2] != wide:
            out.append([at, "", wide])
        out[-1][1] += c
        at += 2 if wide else 1
    return [(start, run) for start, run, _ in out if run.strip()]


def draw(lines):
    width = int(2 * LEFT + CELL * max(cells(text) for _, text in lines))
    height = TOP + LINE * len(lines) + 8
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}">',
           "<style>text{font:14px 'DejaVu Sans Mono','Noto Sans Mono CJK SC','Noto Sans CJK SC',Menlo,"
           "Consolas,monospace;fill:#d8dee9;white-space:pre}.say{fill:#7f8c9b;font-style:italic}"
           ".type{fill:#9ece6a}</style>",
           f'<rect width="{width}" height="{height}" rx="8" fill="#1b1f27"/>']
    for i, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        out.append(f'<circle cx="{LEFT + 4 + i * 20}" cy="20" r="6" fill="{colour}"/>')
    for n, (kind, text) in enumerate(lines):
        for start, run_of in pieces(text):
            x = LEFT + CELL * start
            out.append(f'<text class="{kind}" x="{x:.1f}" y="{TOP + LINE * n}" '
                       f'textLength="{CELL * cells(run_of):.1f}">{html.escape(run_of)}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    lines, order = [], ""
    for title, commands in SCENES:
        lines.append(("say", f"# {title}"))
        for words in commands:
            typed, printed = run([w.format(order=order) for w in words])
            saved = re.search(r"order (D\d+-\d+)", printed[0])
            order = saved[1] if saved else order
            lines.append(("type", f"$ {typed}"))
            lines.extend(("out", text) for text in printed)
        lines.append(("out", ""))
    target = ROOT / "server" / "demo" / "legwork.svg"
    target.write_text(draw(lines[:-1]), encoding="utf-8")
    print(target.relative_to(ROOT))


main()
