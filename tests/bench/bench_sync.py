#!/usr/bin/env python3
"""The figures that take real processes over real TLS: push, first sync, bytes at the socket, updates,
one change, idle connections, cold start, memory. Prints a line each, as the C benches do:

    | what | value | floor | ratio | target |"""
import http.server
import os
import pathlib
import resource
import ssl
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import BUILD, LEGWORK, Device, Firm, environment, free_port, run
from relay import Relay
from sample import write_csv

TOOLS = BUILD / "tests"
CUSTOMERS = 40


def figure(what, value, floor, unit, target):
    if floor:
        print(f"| {what} | {value:.4g} {unit} | {floor:.4g} {unit} | {value / floor:.2f} | {target} |",
              flush=True)
    else:
        print(f"| {what} | {value:.4g} {unit} | – | – | {target} |", flush=True)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def tool(name, *args):
    return run([TOOLS / name, *args], timeout=600).out


def timed_sync(device):
    """Seconds, peak KiB and the answer of one `legwork sync`."""
    start = time.monotonic()
    process = subprocess.Popen([LEGWORK, "--home", device.home, "--json", "sync"], env=environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - start
    device.cpu = usage.ru_utime + usage.ru_stime
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"sync of {device.name} ended with {process.returncode}")
    import json
    return took, usage.ru_maxrss, json.loads(out)


class Bench:
    """A firm with `rep1`… and a manager; the relay stands where devices look for the server."""

    def __init__(self, firm):
        self.firm = firm
        self.serial = 0
        firm.user("boss", "manager")

    def rep(self, customers=CUSTOMERS):
        """A new rep with customers of their own; the login."""
        self.serial += 1
        login = f"rep{self.serial}"
        self.firm.user(login, "rep", manager="boss")
        names = [f"{login}-{i}" for i in range(customers)]
        rows = [[n, f"客户 {n} Ltd.", "customer", "上海"] for n in names]
        self.firm.admin("import", "customer", write_csv(
            self.firm.dir / f"{login}.csv", ["no", "name", "kind", "city"], *rows))
        self.firm.admin("move", *names, "--to", login)
        return login

    def device(self, login, name):
        device = Device(self.firm, name)
        device.enroll(self.firm.invite(login))
        return device


def cold_start(bench):
    device = bench.device(bench.rep(), "cold")
    device.sync()
    times = []
    for _ in range(30):
        start = time.monotonic()
        device.run("status")
        times.append((time.monotonic() - start) * 1000)
    figure("`legwork status`, cold start", statistics.median(times), 0, "ms", "< 30 ms")


def floor_zstd(csv):
    packed = csv.with_suffix(".csv.zst")
    run(["zstd", "-3", "-q", "-f", "-o", packed, csv])
    return packed


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass


def floor_pull(firm, packed):
    """The same rows as zstd'd CSV over TLS with the firm's own certificate, into a plain table."""
    class Here(Quiet):
        def __init__(self, *args):
            super().__init__(*args, directory=str(packed.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Here)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(firm.data / "tls.pem", firm.data / "tls.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    best = 1e9
    for n in range(3):
        db = packed.parent / f"floor{n}.db"
        start = time.monotonic()
        run(["sh", "-c", f"curl -sk https://127.0.0.1:{server.server_address[1]}/{packed.name}"
             f" | {TOOLS / 'bench_floor'} pull {db}"])
        best = min(best, time.monotonic() - start)
        for path in packed.parent.glob(f"floor{n}.db*"):
            path.unlink()
    server.shutdown()
    return best


def floor_write(firm, count):
    best = 1e9
    for n in range(3):
        db = firm.dir / f"plain{n}.db"
        best = min(best, float(tool("bench_floor", "write", count, db).split()[1]))
        for path in firm.dir.glob(f"plain{n}.db*"):
            path.unlink()
    return best


def watch_first_customer(device, began, seen):
    """When the replica first shows a customer: the user may begin to work."""
    while not seen:
        done = run(["sqlite3", f"file:{device.replica}?mode=ro", "SELECT count(*) FROM customer"],
                   expect=None)
        if done.code == 0 and done.out.strip() not in ("", "0"):
            seen.append(time.monotonic() - began)
        time.sleep(0.02)


def bytes_of(db, where=None):
    """Of the file, or of the tables and indexes that `where` says."""
    run(["sqlite3", db, "PRAGMA wal_checkpoint(TRUNCATE)"])
    if where is None:
        return db.stat().st_size
    return int(run(["sqlite3", db, f"SELECT sum(pgsize) FROM dbstat {where}"]).out)


def file_size(bench, device, count):
    """The replica once backups cover what it sent, and the server's table, beside a plain file."""
    tool("bench_fill", device.home, "cover", 0)
    plain = bench.firm.dir / "size.db"
    tool("bench_floor", "write", count, plain)
    floor = bytes_of(plain) / 1024
    figure("replica file, acknowledged and covered by backups", bytes_of(device.replica) / 1024, floor,
           "KiB", "≤ 1.10 ×")
    of_visits = ("WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = 'visit')"
                 " OR name = 'visit'")
    figure("server file, the table and its indexes", bytes_of(bench.firm.data / "store.db", of_visits)
           / 1024, floor, "KiB", "≤ 1.35 ×")


def push_and_pull(bench, count):
    firm = bench.firm
    login = bench.rep()
    writer = bench.device(login, f"writer{count}")
    writer.sync()
    csv = firm.dir / f"visits{count}.csv"
    tool("bench_fill", writer.home, "insert", count, csv)
    packed = floor_zstd(csv)
    write = floor_write(firm, count)
    cpu = cpu_seconds(firm.process.pid)
    took, peak, answer = timed_sync(writer)
    if answer["accepted"] != count:
        raise SystemExit(f"{answer} instead of {count} accepted")
    figure(f"push {count:,} visits until durable", took, write, "s", "≤ 4 ×")
    figure(f"… CPU of the server", cpu_seconds(firm.process.pid) - cpu, write, "s", "≤ 2.5 ×")
    figure("… CPU of the client", writer.cpu, write, "s", "")
    figure("… requests", answer["requests"], 0, "", "")
    figure("… peak memory of the client", peak / 1024, 0, "MiB", "")
    if count <= 10000:
        file_size(bench, writer, count)
    floor = floor_pull(firm, packed)
    reader = bench.device(login, f"reader{count}")
    seen = []
    thread = threading.Thread(target=watch_first_customer, args=(reader, time.monotonic(), seen))
    if count > 50000:
        thread.start()
    took, peak, answer = timed_sync(reader)
    figure(f"first sync of {count:,} visits", took, floor, "s", "≤ 2.5 ×" if count < 50000 else "≤ 2 ×")
    figure("… CPU of the client", reader.cpu, floor, "s", "")
    figure("… peak memory", peak / 1024, 0, "MiB", "< 32 MiB")
    if count > 50000:
        seen or seen.append(took)
        thread.join()
        figure("… customers on screen after", seen[0], 0, "s", "< 1 s")
    return reader


def bytes_at_the_socket(bench, relay, count):
    firm = bench.firm
    login = bench.rep()
    writer = bench.device(login, "counted")
    writer.sync()
    csv = firm.dir / "counted.csv"
    tool("bench_fill", writer.home, "insert", count, csv)
    floor = floor_zstd(csv).stat().st_size / 1024
    relay.reset()
    writer.sync()
    figure(f"bytes of pushing {count:,} visits, both directions", relay.total() / 1024, floor, "KiB",
           "≤ 1.0 × floor.zstd")
    relay.reset()
    answer = writer.sync()
    figure("… rows that come back to their writer", answer["pulled"], 0, "", "0")
    reader = bench.device(login, "counting")
    relay.reset()
    reader.sync()
    figure(f"bytes of pulling {count:,} visits, both directions", relay.total() / 1024, floor, "KiB",
           "≤ 1.0 × floor.zstd")
    return writer, reader


def updates(relay, writer, reader):
    tool("bench_fill", writer.home, "update", 2000)
    relay.reset()
    took, _, _ = timed_sync(writer)
    figure("2,000 one-column updates: push, bytes", relay.total() / 1024, 0, "KiB", "≤ 80 KB")
    figure("… time", took * 1000, 0, "ms", "≤ 50 ms")
    relay.reset()
    took, _, _ = timed_sync(reader)
    figure("2,000 one-column updates: pull, bytes", relay.total() / 1024, 0, "KiB", "≤ 80 KB")
    figure("… time", took * 1000, 0, "ms", "≤ 50 ms")


def one_change(relay, writer):
    """The same, with a full handshake (no kept session) and a resumed one."""
    customer = writer.json("list", "customer")[0]["id"]
    for what, change, targets in (("one change", True, ("≤ 2.7 KB", "≤ 1.6 KB")),
                                  ("nothing to do", False, ("≤ 2.5 KB", "≤ 1.4 KB"))):
        for resumed, target in zip((False, True), targets):
            sizes = []
            for i in range(5):
                if change:
                    writer.set("customer", customer, city=f"城市 {i} {resumed}")
                if not resumed:
                    (writer.home / "tls.session").unlink(missing_ok=True)
                relay.reset()
                writer.sync()
                time.sleep(0.05)
                sizes.append(relay.total())
            figure(f"{what}, {'resumed session' if resumed else 'full handshake'}",
                   statistics.median(sizes), 0, "B", target)


def warm_connection(relay, bench, writer):
    """`sync --watch` keeps its connection; a change that another process writes goes out on it."""
    customer = writer.json("list", "customer")[0]["id"]
    watcher = writer.start("sync", "--watch")
    try:
        time.sleep(2)
        sizes, delays = [], []
        for i in range(8):
            relay.reset()
            start = time.monotonic()
            writer.set("customer", customer, city=f"warm {i}")
            while time.monotonic() - start < 10:
                row = bench.firm.query(f"SELECT city FROM customer WHERE no = 'rep{bench.serial}-0'"
                                       f" OR city = 'warm {i}'")
                if any(r["city"] == f"warm {i}" for r in row):
                    break
            delays.append(time.monotonic() - start)
            time.sleep(0.5)
            sizes.append(relay.total())
        figure("one change, warm connection", statistics.median(sizes), 0, "B", "≤ 650 B")
        figure("… until it is in the store", statistics.median(delays) * 1000, 0, "ms", "")
    finally:
        watcher.terminate()
        watcher.communicate()


def idle_connections(firm, count):
    """TLS and HTTP/2 up, no request under way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    before = rss_kib(firm.process.pid)
    import socket
    held = []
    for _ in range(count):
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", firm.listen_port)))
        s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        held.append(s)
    time.sleep(1)
    figure(f"{count:,} idle connections, memory each", (rss_kib(firm.process.pid) - before) / count, 0,
           "KiB", "≤ 60 KiB")
    for s in held:
        s.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def main():
    large = int(os.environ.get("LEGWORK_BENCH_ROWS", "100000"))
    with Firm(company="Bench") as firm:
        firm.listen_port = free_port()
        public, firm.port = firm.port, firm.listen_port
        firm.start()
        bench = Bench(firm)
        cold_start(bench)
        push_and_pull(bench, 10000)
        if large:
            push_and_pull(bench, large)
        idle_connections(firm, 2000)
        firm.port = public  # from here on, devices are told the relay's port
        relay = Relay(public, firm.listen_port)
        writer, reader = bytes_at_the_socket(bench, relay, 10000)
        updates(relay, writer, reader)
        one_change(relay, writer)
        warm_connection(relay, bench, writer)
        relay.close()


main()
