#!/usr/bin/env python3
"""The server's disk is full: nothing is acknowledged, what needs no writing goes on, and with space
again it recovers by itself. A log that nobody takes stops nothing."""
import fcntl
import json
import os
import pathlib
import shutil
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Firm, check, equal, main, run, skip


def health(firm):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{firm.metrics_port}/health", timeout=10) as r:
            return r.status, json.load(r)["status"]
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)["status"]


def fill(folder):
    fd = os.open(folder / "fill", os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(fd, bytes(4096))
    except OSError:
        os.close(fd)


def test_a_full_disk_of_the_server():
    with Firm() as firm:
        small = firm.dir / "small"
        small.mkdir()
        if os.getuid() != 0 or run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", small], expect=None).code != 0:
            skip("only root may mount a small disk")
        try:
            shutil.copytree(firm.data, small / "server")
            firm.data = small / "server"
            firm.start()
            firm.user("lin", "rep")
            lin = firm.device("lin")
            lin.sync()
            fill(small)
            for n in range(40):
                lin.new("customer", name=f"Tea House {n}", address="x" * 150)
            refused = lin.run("sync", expect=3)
            check("saved" in refused.err, f"the rep is told that the work is safe\n{refused}")
            equal(health(firm), (503, "store_failing"), "health says so")
            equal(len(firm.query("SELECT id FROM customer")), 0, "nothing half")
            run(["curl", "-sSf", "--cacert", firm.data / "ca.pem", f"https://127.0.0.1:{firm.port}/v1/ca"])
            (small / "fill").unlink()
            equal(lin.sync()["accepted"], 40, "with space again the same work goes through")
            equal(health(firm), (200, "ok"), "health recovers")
            equal(len(firm.query("SELECT id FROM customer")), 40, "all of it, once")
            lin.run("verify")
            firm.stop()
            firm.healthy()
        finally:
            firm.kill()
            run(["umount", small])


def test_a_log_that_cannot_be_written():
    """The log's disk is full, its reader has gone, or the reader has stopped reading."""
    gone_read, gone = os.pipe()
    os.close(gone_read)
    stuck_read, stuck = os.pipe()
    flags = fcntl.fcntl(stuck, fcntl.F_GETFL)
    fcntl.fcntl(stuck, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        while True:
            os.write(stuck, bytes(4096))
    except BlockingIOError:
        fcntl.fcntl(stuck, fcntl.F_SETFL, flags)
    with Firm() as firm, open("/dev/full", "wb") as full:
        firm.user("lin", "rep")
        lin = None
        for n, (what, log) in enumerate((("full", full), ("gone", gone), ("stuck", stuck))):
            firm.start(stderr=log)
            lin = lin or firm.device("lin")
            lin.new("customer", name=f"Tea House {n}")
            equal(lin.sync()["accepted"], 1, f"a sync with its log {what}")
            equal(health(firm), (200, "ok"), f"health with its log {what}")
            firm.stop()
        equal(len(firm.query("SELECT id FROM customer")), 3, "all of it arrived")
    for end in (gone, stuck, stuck_read):
        os.close(end)


BAD_DISK = """
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int bad(void) { const char *sign = getenv("BAD_DISK"); return sign && access(sign, F_OK) == 0; }
int fdatasync(int fd) { if (bad()) { errno = EIO; return -1; } return syscall(SYS_fdatasync, fd); }
int fsync(int fd) { if (bad()) { errno = EIO; return -1; } return syscall(SYS_fsync, fd); }
"""


def test_a_disk_that_does_not_sync():
    """What the disk didn't take for sure isn't acknowledged: the server ends, and the next one recovers."""
    with Firm() as firm:
        source, library, sign = firm.dir / "bad.c", firm.dir / "bad.so", firm.dir / "bad"
        source.write_text(BAD_DISK)
        if not shutil.which("cc"):
            skip("no compiler to make a disk that fails")
        run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", library, source])
        firm.user("lin", "rep")
        os.environ.update(LD_PRELOAD=str(library), BAD_DISK=str(sign))
        try:
            firm.start()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["BAD_DISK"]
        lin = firm.device("lin")
        lin.sync()
        sign.touch()
        lin.new("customer", name="Tea House")
        refused = lin.run("sync", expect=3)
        check("saved" in refused.err, f"the rep is told that the work is safe\n{refused}")
        equal(firm.process.wait(20), 1, "exit status of the server")
        firm.process = None
        equal(lin.json("status")["pending"], 1, "nothing was acknowledged")
        sign.unlink()
        firm.start()
        lin.sync()
        equal([r["name"] for r in firm.query("SELECT name FROM customer")], ["Tea House"], "once")
        lin.run("verify")
        firm.stop()
        firm.healthy()


if __name__ == "__main__":
    main(globals())
