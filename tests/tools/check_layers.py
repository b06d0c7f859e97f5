#!/usr/bin/env python3
"""Keeps the picture of the folders true: protocol <- common <- {client, server} <- tests.

Includes are written from the root, so each shows the layer that it reaches into. A library's header
is named only where its home is. Another library: a line in HOME."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAY_KNOW = {
    "protocol": {"protocol"},
    "common": {"protocol", "common"},
    "client": {"protocol", "common", "client"},
    "server": {"protocol", "common", "server"},
}
HOME = {
    "zstd.h": ("protocol/",),
    "sqlite3.h": ("common/db/",),
    "utf8proc.h": ("common/", "server/admin/"),
    "curl/": ("client/net/", "server/jobs/"),
    "openssl/": ("client/net/",),
    "uv.h": ("server/",),
    "mbedtls/": ("server/net/", "server/admin/"),
    "nghttp2/": ("server/net/",),
    "libpq-fe.h": ("server/store/",),
    "microhttpd.h": ("client/ui/", "server/net/"),
    "qrencode.h": ("server/admin/",),
    "jpeglib.h": ("client/media/",),
    "png.h": ("client/media/",),
    "webp/": ("client/media/",),
}
BASE = "common/base/base.h"
# common/ opens no socket, starts no thread, reads no clock and no environment.
NOT_IN_COMMON = ("sys/socket.h", "netinet/", "arpa/", "netdb.h", "poll.h", "pthread.h", "threads.h",
                 "sys/time.h", "signal.h")
NOT_CALLED_IN_COMMON = re.compile(r"(?<![\w.>])(getenv|time|clock|clock_gettime|gettimeofday|rand|random)\s*\(")
INCLUDE = re.compile(r'\s*#\s*include\s+(["<])([^">]+)')

# The two halves of the change log know what both share, never each other.
HALVES = {"common/changelog/device/": "common/changelog/server/", "common/changelog/server/": "common/changelog/device/"}

complaints = []


def complain(path, line, what):
    complaints.append(f"{path}:{line}: {what}")


def without_comments_and_strings(text):
    """Blanks them, and keeps the line numbers."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def check_include(top, path, line, quoted, name):
    if quoted and name.split("/")[0] not in MAY_KNOW[top]:
        complain(path, line, f"{top} doesn't know {name}")
    for half, other in HALVES.items():
        if str(path).startswith(half) and name.startswith(other):
            complain(path, line, f"{half} doesn't know {name}")
    for library, homes in HOME.items():
        if name.startswith(library) and not str(path).startswith(homes):
            complain(path, line, f"{name} is named only in {', '.join(homes)}")
    if top in ("common", "protocol") and name.startswith(NOT_IN_COMMON):
        complain(path, line, f"{name} in {top}: time, chance and bytes come in as arguments")


def reaches_base(path, seen):
    """Whether base.h comes in, directly or through other headers of ours."""
    if str(path) == BASE:
        return True
    seen.add(path)
    text = (ROOT / path).read_text(encoding="utf-8")
    ours = (pathlib.Path(m[2]) for m in re.finditer(INCLUDE.pattern, text) if m[1] == '"')
    return any(reaches_base(p, seen) for p in ours if p not in seen and (ROOT / p).exists())


def check_file(top, path):
    text = (ROOT / path).read_text(encoding="utf-8")
    lines = text.splitlines()
    includes = [(n, m) for n, m in ((n, INCLUDE.match(t)) for n, t in enumerate(lines, 1)) if m]
    for n, m in includes:
        check_include(top, path, n, m[1] == '"', m[2])
    if path.suffix == ".c" and top != "protocol" and includes:
        if includes[0][1][1] != '"' or not reaches_base(path, set()):
            complain(path, includes[0][0], f"{BASE} doesn't come first, so nothing is poisoned")
    if top in ("common", "protocol"):
        for n, code in enumerate(without_comments_and_strings(text).splitlines(), 1):
            m = NOT_CALLED_IN_COMMON.search(code)
            if m:
                complain(path, n, f"{m[1]}() in {top}: time and chance come in as arguments")


for folder in MAY_KNOW:
    for file in sorted((ROOT / folder).rglob("*.[ch]")):
        if "node_modules" not in file.parts:
            check_file(folder, file.relative_to(ROOT))

print("\n".join(complaints))
sys.exit(1 if complaints else 0)
