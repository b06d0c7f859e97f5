#!/usr/bin/env python3
"""protocol/README.md says what the code does: the codes of verdicts and faults, with their status, and
the limits. A code that the server can answer and the spec doesn't name fails, and the other way round."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Refusals of one value; the spec lists them as the detail of `invalid`.
VALUE_CODES = {"wrong_type", "too_long", "not_utf8", "not_nfc", "not_a_choice", "out_of_range", "malformed",
               "too_large"}


def sources(*folders):
    return "\n".join(p.read_text() for f in folders for p in sorted((ROOT / f).rglob("*.c")))


def section(spec, title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", spec, re.M | re.S)[1]


def verdict_codes_of_code():
    text = sources("common/changelog")
    return set(re.findall(r'\bcomplaint_fill\(\s*&?[\w>.-]+,\s*"([a-z_]+)"', text)) | set(
        re.findall(r'\brefuse(?:_\w+)?\(\s*&?[\w>.-]+,\s*(?:\w+ \? )?"([a-z_]+)"', text)) | set(
        re.findall(r'\brefuse\([^;]*?\? "([a-z_]+)" : "[a-z_]+"', text)) | set(
        re.findall(r'\brefuse\([^;]*?\? "[a-z_]+" : "([a-z_]+)"', text))


def fault_codes_of_code():
    """code -> statuses"""
    text = sources("server/net", "common/sync")
    found = {}
    for status, code in re.findall(r'\b([45]\d\d),\s*"([a-z_]+)"', text):
        found.setdefault(code, set()).add(status)
    return found


def fault_codes_of_spec(text):
    found = {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.split("|")[1:-1]]
        statuses = re.findall(r"\d{3}", cells[0]) if cells else []
        codes = re.findall(r"`([a-z_]+)`(?! seconds)", cells[1]) if statuses else []
        for code in codes:
            found.setdefault(code, set()).update(statuses)
    return found


def limits_of_code():
    text = (ROOT / "protocol/messages.h").read_text()
    limits = {}
    for name, value in re.findall(r"^#define (\w+_MAX)\s+(.+?)(?:\s*/\*.*)?$", text, re.M):
        value = value.replace("(size_t)", "").strip()
        if re.fullmatch(r"[\d\s*()]+", value):
            limits[name] = eval(value)  # digits, * and brackets alone
    return limits


def said(number):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if number % unit == 0:
            return f"{number // unit} {name}"
    return f"{number:,}"


def main():
    spec = (ROOT / "protocol/README.md").read_text()
    wrong = []
    judging = section(spec, "Judging")
    codes = verdict_codes_of_code()
    listed = set(re.findall(r"`([a-z_]+)`", judging[judging.index("Codes:"):]))
    wrong += [f"verdict code {c} isn't in the spec" for c in sorted(codes - listed - VALUE_CODES)]
    wrong += [f"the spec's verdict code {c} isn't in the code" for c in sorted(listed - codes)]

    real, written = fault_codes_of_code(), fault_codes_of_spec(section(spec, "Faults"))
    for code in sorted(real.keys() | written.keys()):
        if code not in written or code not in real:
            wrong.append(f"fault {code} is only in the {'code' if code in real else 'spec'}")
        elif not real[code] <= written[code]:
            wrong.append(f"fault {code}: {sorted(real[code])} in the code, {sorted(written[code])} in the spec")

    limits = section(spec, "Limits")
    for name, number in limits_of_code().items():
        forms = "|".join((said(number), f"{number:,}", str(number - 1)))
        if not re.search(rf"(?<![\d,])({forms})(?![\d,]\d)", limits):
            wrong.append(f"{name} is {said(number)}: the spec's limits don't say so")
    if len(codes) < 10 or len(real) < 10 or len(limits_of_code()) < 8:
        wrong.append(f"this test no longer finds what it checks: {codes}, {real}")
    print("\n".join(wrong) or f"{len(codes)} verdict codes, {len(real)} faults and the limits agree")
    return 1 if wrong else 0


sys.exit(main())
