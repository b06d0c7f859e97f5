#!/usr/bin/env python3
"""Makes common/base/pinyin_table.inc: the first letter of the pinyin of each character from U+4E00
to U+9FFF, from ICU's Han-Latin rules (Debian: icu-devtools). Run by hand when ICU's data is better
than what we have; the result is committed, so that no build and no device needs ICU.

    python3 tests/tools/make_pinyin.py > common/base/pinyin_table.inc
"""
import subprocess

FIRST, LAST, WIDTH = 0x4E00, 0x9FFF, 80
# Where ICU gives a rare reading of a character that is common in names of firms and places.
CORRECTED = {"厦": "x", "行": "h", "长": "c", "重": "z", "柏": "b", "埔": "p", "亳": "b"}

text = "".join(chr(c) + "\n" for c in range(FIRST, LAST + 1))
read = subprocess.run(["uconv", "-f", "utf8", "-t", "utf8", "-x", "Han-Latin; Latin-ASCII"],
                      input=text, capture_output=True, text=True, check=True).stdout.splitlines()
letters = ""
for code, reading in zip(range(FIRST, LAST + 1), read, strict=True):
    letter = CORRECTED.get(chr(code), reading[:1].lower())
    letters += letter if "a" <= letter <= "z" else "_"
for at in range(0, len(letters), WIDTH):
    print(f'"{letters[at:at + WIDTH]}"')
