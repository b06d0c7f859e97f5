#!/usr/bin/env python3
"""Bad input over the wire: each has a status and a code of its own, and the server goes on as before.
tests/tools/wire_tool.c signs what a client would sign; curl speaks HTTP/2; support/rawh2.py does what
curl wouldn't."""
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import rawh2
from legwork import BUILD, Firm, check, equal, main, run

TOOL = BUILD / "tests" / "wire_tool"
PUSH_BYTES_MAX = 1024 * 1024
PUSH_PLAIN_BYTES_MAX = 16 * 1024 * 1024
RSS_KIB_MAX = 192 * 1024
SYNC = {"content-type": "application/cbor-seq", "content-encoding": "zstd"}
ENROL = {"content-type": "application/cbor-seq"}


def tool(*args, data=b""):
    return subprocess.run([TOOL, *map(str, args)], input=data, capture_output=True, check=True,
                          timeout=60).stdout


class Wire:
    """A firm with a server, and one device made by hand."""

    def __init__(self, firm):
        self.firm = firm
        self.url = f"https://127.0.0.1:{firm.port}"
        self.count = 0
        firm.user("lin", "rep")
        self.key = firm.dir / "key"
        status, messages = self.enrol(firm.invite("lin"), self.key)
        equal(status, 200, "enrolment")
        self.state = messages[0]["state"]

    def file(self, data):
        self.count += 1
        path = self.firm.dir / f"body{self.count}"
        path.write_bytes(data)
        return path

    def ask(self, method, path, headers=None, body=None, more=()):
        """Status and messages of the answer; status 0 where there was none."""
        out = self.firm.dir / "answer"
        out.unlink(missing_ok=True)
        args = ["curl", "-sS", "--http2", "--cacert", self.firm.data / "ca.pem", "-m", "30", "-X", method,
                "-o", out, "-w", "%{http_code}", *more]
        for name, value in (headers or {}).items():
            args += ["-H", f"{name}: {value}"]
        if body is not None:
            args += ["--data-binary", f"@{self.file(body)}"]
        got = run([*args, self.url + path], expect=None)
        messages = []
        if out.exists() and (path, got.out) != ("/v1/ca", "200"): # which is PEM
            lines = tool("read", data=out.read_bytes())
            messages = [json.loads(line) for line in lines.splitlines()]
        return int(got.out or 0), messages

    def enrol(self, code, key):
        return self.ask("POST", "/v1/enroll", ENROL, tool("enrol", code, key))

    def sign(self, body, method="POST", path="/v1/sync", created=None, key=None):
        name = self.file(body) if body else ""
        lines = tool("sign", key or self.key, method, path, name, int(created or time.time()))
        return dict(line.split(": ", 1) for line in lines.decode().splitlines())

    def hello(self):
        return tool("hello", self.state)

    def sync(self, body=None, sent=None, **options):
        """POST /v1/sync of `body`, signed as that; `sent` is what goes over the wire instead."""
        body = self.hello() if body is None else body
        headers = SYNC | self.sign(body, **options)
        return self.ask("POST", "/v1/sync", headers, body if sent is None else sent)

    def refused(self, answer, status, code, what):
        equal((answer[0], [m.get("code") for m in answer[1]]), (status, [code]), what)

    def alive(self, what):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.firm.metrics_port}/health", timeout=10) as r:
            equal((r.status, json.load(r)["status"]), (200, "ok"), f"health after {what}")
        check(self.rss_kib() < RSS_KIB_MAX, f"{self.rss_kib()} KiB of memory after {what}")

    def well(self, what):
        """Alive, and it still does its work."""
        self.alive(what)
        equal(self.ask("GET", "/v1/ca")[0], 200, f"/v1/ca after {what}")

    def rss_kib(self):
        text = pathlib.Path(f"/proc/{self.firm.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.firm.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.firm.metrics_port}/metrics", timeout=10) as r:
            m = re.search(rf"^legwork_{re.escape(name)} (\d+)$", r.read().decode(), re.M)
        return int(m[1]) if m else 0

    def wait_for(self, name, value, seconds):
        end = time.monotonic() + seconds
        while self.metric(name) != value:
            check(time.monotonic() < end, f"{name} is {self.metric(name)}, not {value}, after {seconds} s")
            time.sleep(0.1)


@contextlib.contextmanager
def wired():
    with Firm() as firm:
        firm.start()
        yield Wire(firm)
        firm.stop()


def test_what_is_not_our_protocol():
    with wired() as w:
        port = w.firm.port
        http1 = run(["curl", "-sSk", "--http1.1", w.url + "/v1/ca"], expect=None)
        check(http1.code == 35 and http1.out == "", f"HTTP/1 over TLS\n{http1}")
        with socket.create_connection(("127.0.0.1", port), 10) as s:
            s.sendall(b"GET /v1/ca HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            with contextlib.suppress(ConnectionError):
                while got := s.recv(4096):
                    answer += got
            check(b"HTTP" not in answer, f"plain HTTP was answered: {answer!r}")
        for version, cipher in (("-tls1_1", "DEFAULT@SECLEVEL=0"), ("-tls1", "DEFAULT@SECLEVEL=0"),
                                ("-tls1_2", "AES128-SHA"), ("-tls1_2", "AES128-GCM-SHA256"),
                                ("-tls1_2", "ECDHE-ECDSA-AES128-SHA"), ("-no_tls1_2", "DEFAULT")):
            got = run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-cipher", cipher,
                       "-alpn", "h2"], expect=None, text_input="")
            check("Cipher is (NONE)" in got.out, f"{version} {cipher} was let in\n{got}")
        for alpn in ((), ("http/1.1",), ("h3", "spdy/3")):
            try:
                with rawh2.Connection(port, alpn=alpn) as c:
                    c.hello()
                    equal(c.read_frame(), None, f"ALPN {alpn}: nothing is answered")
            except OSError:
                pass # refused within the handshake
        w.well("other protocols")


def test_heads_that_are_refused():
    with wired() as w:
        ca = "/v1/ca"
        cases = (
            ("unknown path", 404, "not_found", w.ask("GET", "/v1/nothing")),
            ("a query", 404, "not_found", w.ask("GET", "/v1/ca?x=1")),
            ("method", 405, "method", w.ask("DELETE", ca)),
            ("a field too long", 431, "headers_too_large", w.ask("GET", ca, {"x": "y" * 20000})),
            ("too many fields", 431, "headers_too_large", w.ask("GET", ca, {f"x{i}": "y" for i in range(80)})),
            ("path too long", 414, "uri_too_long", w.ask("GET", "/" + "p" * 5000)),
            ("content type", 415, "unsupported",
             w.ask("POST", "/v1/sync", {"content-type": "text/html", "content-encoding": "zstd"}, b"x")),
            ("content encoding", 415, "unsupported",
             w.ask("POST", "/v1/sync", {"content-type": "application/cbor-seq", "content-encoding": "gzip"}, b"x")),
            ("unsigned", 401, "signature", w.ask("POST", "/v1/sync", SYNC, b"x")),
            ("unsigned live", 401, "signature", w.ask("GET", "/v1/live")),
            ("a body where none is", 413, "too_large", w.ask("GET", ca, body=b"x")),
        )
        for what, status, code, answer in cases:
            w.refused(answer, status, code, what)
        for twice in ("signature", "content-digest", ":path"):
            with rawh2.Connection(w.firm.port) as c:
                c.hello()
                block = rawh2.head("POST", "/v1/sync", content_type="application/cbor-seq", content_encoding="zstd")
                block += rawh2.field(twice, "/v1/sync") * 2
                c.send(rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS | rawh2.END_STREAM, 1, block))
                equal(c.first_status(), 400 if twice[0] != ":" else None, f"{twice} twice")
        w.well("refused heads")


def test_bodies_too_large():
    with wired() as w:
        for size in (PUSH_BYTES_MAX + 1, PUSH_BYTES_MAX * 2):
            body = random.Random(1).randbytes(size)
            for more in ((), ("-H", "content-length:", "-H", "transfer-encoding: chunked")):
                status, messages = w.ask("POST", "/v1/sync", SYNC, body, more)
                equal((status, messages[0]["code"], messages[0]["limit"]), (413, "too_large", PUSH_BYTES_MAX),
                      f"{size} bytes")
        w.ask("POST", "/v1/sync", SYNC, bytes(40 * PUSH_BYTES_MAX)) # cut off; what counts is what follows
        piece = b"\x5a\x00\x40\x00\x00" + bytes(4 * 1024 * 1024)
        bomb = tool("pack", data=b"\x98\x40" + piece * 64) # 256 MiB in some 9 KiB
        check(len(bomb) < 64 * 1024, f"the bomb has {len(bomb)} bytes")
        status, messages = w.sync(bomb)
        equal((status, messages[0]["code"], messages[0]["limit"]), (413, "too_large", PUSH_PLAIN_BYTES_MAX),
              "a zstd bomb")
        w.refused(w.ask("POST", "/v1/enroll", ENROL, bytes(5000)), 413, "too_large", "enrolment")
        w.well("large bodies")


def test_signatures():
    with wired() as w:
        equal(w.sync()[0], 200, "as it should be")
        body = w.hello()
        other = w.firm.dir / "other"
        tool("enrol", w.firm.invite("lin"), other)
        w.refused(w.sync(body, sent=body + b"x"), 400, "bad_digest", "another body")
        w.refused(w.sync(body, sent=body[:-1]), 400, "bad_digest", "a shorter body")
        w.refused(w.sync(path="/v1/live"), 401, "signature", "signed for another path")
        w.refused(w.sync(method="GET"), 401, "signature", "signed for another method")
        w.refused(w.sync(key=other), 401, "reenrol", "an unknown key")
        for seconds in (-3600, -302, 302, 10**9):
            w.refused(w.sync(created=time.time() + seconds), 401, "clock", f"created {seconds} s away")
        for seconds in (-290, 290):
            equal(w.sync(created=time.time() + seconds)[0], 200, f"created {seconds} s away")
        mixed = SYNC | w.sign(body)
        mixed["signature"] = w.sign(body, created=time.time() - 7)["signature"]
        w.refused(w.ask("POST", "/v1/sync", mixed, body), 401, "signature", "the signature of another time")
        for broken in ("", "s=::", "s=:AAAA:", "x=:AAAA:", "s=:" + "A" * 400 + ":"):
            headers = SYNC | w.sign(body) | {"signature": broken}
            w.refused(w.ask("POST", "/v1/sync", headers, body), 401, "signature", f"signature {broken!r}")
        device = w.firm.admin("device", "list", "--json").json()[0]
        w.firm.admin("device", "revoke", device["id"])
        w.refused(w.sync(), 401, "device_revoked", "the next request after the revocation")
        w.refused(w.ask("GET", "/v1/live", w.sign(b"", "GET", "/v1/live")), 401, "device_revoked", "live too")
        w.well("wrong signatures")


def test_bodies_that_are_nonsense():
    with wired() as w:
        body = w.hello()
        plain = random.Random(2).randbytes(300)
        cases = {"empty": b"", "not zstd": plain, "half a frame": body[:len(body) // 2],
                 "all but the last byte": body[:-1], "bytes behind the frame": body + b"x",
                 "two frames": body + body, "an empty frame": tool("pack"),
                 "garbage": tool("pack", data=plain), "a lone integer": tool("pack", data=b"\x00"),
                 "nested arrays": tool("pack", data=b"\x81" * 100000),
                 "zeros": tool("zeros", 100 * 1024 * 1024),
                 "an endless list": tool("pack", data=b"\x9f" + b"\x01" * 50),
                 "NaN": tool("pack", data=b"\x81\xf9\x7e\x00")}
        for what, sent in cases.items():
            w.refused(w.sync(sent), 400, "malformed", what)
        w.refused(w.sync(tool("pack", data=b"\x5b\x7f" + b"\xff" * 7)), 413, "too_large", "a string of 2^63 bytes")
        for what, sent in {"empty": b"", "garbage": plain, "nested": b"\x81" * 4000}.items():
            w.refused(w.ask("POST", "/v1/enroll", ENROL, sent), 400, "malformed", f"enrolment: {what}")
        w.well("nonsense")


def test_enrolment_gives_one_answer():
    with wired() as w:
        wrong = "lw1,h,h," + "A" * 27
        used = w.firm.invite("lin")
        equal(w.enrol(used, w.firm.dir / "k1")[0], 200, "the first to use it")
        expired = w.firm.invite("lin")
        run(["sqlite3", w.firm.data / "store.db",
             "UPDATE invitation SET expires_at = 1 WHERE used_at IS NULL"])
        answers = {what: w.enrol(code, w.firm.dir / "k2") for what, code in
                   (("wrong", wrong), ("used", used), ("expired", expired), ("again", wrong), ("again", used))}
        for what, answer in answers.items():
            w.refused(answer, 401, "enrol", what)
        equal(len({json.dumps(a) for a in answers.values()}), 1, "one and the same answer")
        status, messages = w.enrol(wrong, w.firm.dir / "k2")
        for _ in range(3):
            if status == 429:
                break
            status, messages = w.enrol(wrong, w.firm.dir / "k2")
        equal((status, messages[0]["code"]), (429, "rate"), "after five failures")
        check(0 < messages[0]["limit"] <= 12, f"wait for {messages[0]['limit']} s")
        w.well("enrolments")


def test_one_device_too_often():
    with wired() as w:
        body = w.file(w.hello())
        args = ["h2load", "-n", "1000", "-c", "4", "-m", "8", "-d", body]
        for name, value in (SYNC | w.sign(body.read_bytes())).items():
            args += ["-H", f"{name}: {value}"]
        got = run([*args, w.url + "/v1/sync"])
        ok, refused, failed = map(int, re.search(r"(\d+) 2xx, \d+ 3xx, (\d+) 4xx, (\d+) 5xx", got.out).groups())
        value, unit = re.search(r"finished in ([\d.]+)(ms|s)", got.out).groups()
        seconds = float(value) / (1000 if unit == "ms" else 1)
        may = 200 + 100 * (seconds + 0.1) # the burst, and what comes back meanwhile
        check(200 <= ok <= may and ok + refused + failed == 1000, f"{may:.0f} were allowed\n{got}")
        time.sleep(0.5)
        equal(w.sync()[0], 200, "a moment later")
        w.well("a flood from one device")


def test_slow_clients_and_half_open_connections():
    """All at once, since each needs its deadline to pass."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with wired() as w, contextlib.ExitStack() as stack:
        port = w.firm.port
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10, ("127.0.0.2", 0)))
                  for _ in range(1000)]
        hellos = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10, ("127.0.0.3", 0)))
                  for _ in range(100)]
        for s in hellos: # the beginning of a ClientHello
            s.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        begin = time.monotonic()
        check(w.metric("half_open") <= 256 + 100 + 10, f"{w.metric('half_open')} half-open")
        w.well("1,000 silent connections") # from another address
        loris = stack.enter_context(rawh2.Connection(port))
        quiet = stack.enter_context(rawh2.Connection(port))
        block = rawh2.head("GET", "/v1/ca")
        slow = stack.enter_context(rawh2.Connection(port))
        slow.hello()
        post = rawh2.head("POST", "/v1/sync", content_type="application/cbor-seq", content_encoding="zstd")
        slow.send(rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS, 1, post) + rawh2.frame(rawh2.DATA, 0, 1, b"x"))
        loris.send(rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS, 0, 0) +
                   rawh2.frame(rawh2.HEADERS, 0, 1, block[:5]))
        quiet.send(rawh2.PREFACE[:10])
        w.wait_for("half_open", 0, 8)
        check(time.monotonic() - begin >= 3, "half-open connections get their five seconds")
        for name, c in (("headers byte by byte", loris), ("a preface that never ends", quiet)):
            left = 13 - (time.monotonic() - begin)
            end = time.monotonic() + max(left, 1)
            closed = False
            for byte in block[5:]:
                closed = time.monotonic() > end or c.closed_within(0.5)
                if closed or not c.send(rawh2.frame(rawh2.CONTINUATION, 0, 1, bytes([byte])) if c is loris else b""):
                    break
            check(closed or c.closed_within(2), f"{name}: still open after {time.monotonic() - begin:.0f} s")
        for s in silent:
            s.close()
        equal(slow.first_status(25), 408, "a body that doesn't come")
        check(time.monotonic() - begin > 18, "it has twenty seconds")
        slow.sock.close()
        w.wait_for("connections", 0, 8)
        w.well("slow clients")


def test_clients_that_do_not_read():
    """As many as there are workers, and more: who reads is still served."""
    with wired() as w, contextlib.ExitStack() as stack:
        random_ = random.Random(3)
        rows = "".join(f"N{i},{random_.randbytes(70).hex()}\n" for i in range(12000))
        table = w.firm.dir / "customers.csv"
        table.write_text("name,address\n" + rows)
        w.firm.admin("import", "customer", table)
        house = w.firm.query("SELECT id FROM customer LIMIT 1")
        check(house, "imported")
        w.firm.user("boss", "admin")
        w.key = w.firm.dir / "boss"
        w.state = w.enrol(w.firm.invite("boss"), w.key)[1][0]["state"]
        equal(w.sync()[0], 200, "who reads gets it all")
        whole = w.metric("sync_pulled_bytes_total")
        check(whole > 1000000, f"{whole} bytes are enough to get stuck with")
        body = w.hello()
        headers = {k.replace("-", "_"): v for k, v in (SYNC | w.sign(body)).items()}
        for _ in range(12):
            c = stack.enter_context(rawh2.Connection(w.firm.port, room=4096))
            c.send(rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS, 0, 0, b"\0\4\x7f\xff\xff\xff") +
                   rawh2.frame(rawh2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\0\0") +
                   rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS, 1, rawh2.head("POST", "/v1/sync", **headers)) +
                   rawh2.frame(rawh2.DATA, rawh2.END_STREAM, 1, body))
        time.sleep(0.5)
        begin = time.monotonic()
        equal(w.sync()[0], 200, "a sync among clients that don't read")
        check(time.monotonic() - begin < 10, f"it took {time.monotonic() - begin:.1f} s")
        w.well("clients that don't read")
        stack.close()
        w.wait_for("connections", 0, 8)
        w.firm.healthy()


def test_no_descriptors_left():
    with wired() as w:
        pid = w.firm.process.pid
        run(["prlimit", "--pid", pid, "--nofile=100:100"])
        with rawh2.Connection(w.firm.port) as old, contextlib.ExitStack() as stack:
            old.hello()
            crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", w.firm.port), 10))
                     for _ in range(300)]
            time.sleep(1)
            old.send(rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS | rawh2.END_STREAM, 1, rawh2.head("GET", "/v1/ca")))
            equal(old.first_status(), 200, "a connection from before lives on")
            before = w.cpu_seconds()
            time.sleep(1)
            check(w.cpu_seconds() - before < 0.5, "it doesn't spin")
            check(len(crowd) == 300 and w.metric("accepted_total") < 110, "descriptors did run out")
        w.wait_for("connections", 0, 8)
        w.well("a crowd")


def test_little_memory():
    """A limit of memory is reached: who can't be served is told, or cut off; with memory again all is well."""
    with wired() as w:
        pid = w.firm.process.pid
        size = int(re.search(r"VmSize:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024
        run(["prlimit", "--pid", pid, f"--as={size + (2 << 20)}:"])
        body = w.file(random.Random(4).randbytes(PUSH_BYTES_MAX - 1000))
        got = run(["h2load", "-n", "200", "-c", "20", "-m", "5", "-d", body, "-H", "content-type: application/cbor-seq",
                   "-H", "content-encoding: zstd", "-T", "20", w.url + "/v1/sync"], expect=None, timeout=100)
        print(re.search(r"requests: .*", got.out)[0], re.search(r"status codes: .*", got.out)[0])
        check(w.firm.process.poll() is None, "it lives")
        run(["prlimit", "--pid", pid, "--as=unlimited:"])
        w.wait_for("connections", 0, 20)
        equal(w.sync()[0], 200, "a sync with memory again")
        w.well("little memory")


def test_what_keeps_it_from_starting():
    with Firm() as firm:
        key, certificate = firm.data / "tls.key", firm.data / "tls.pem"
        taken = socket.create_server(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        def refused(what, words, code=1, listen="127.0.0.1:0", metrics="none", **more):
            got = firm.admin("serve", "--listen", listen, "--metrics", metrics, expect=code, timeout=20, **more)
            check(words in got.err and got.err.count("\n") <= 3, f"{what}: one clear line\n{got}")

        refused("the port is taken", "can't listen", listen=f"127.0.0.1:{port}")
        refused("metrics' port is taken", "metrics", metrics=f"127.0.0.1:{port}")
        refused("not our address", "can't listen", listen="192.0.2.1:0")
        for wrong in ("8443", "localhost:8443", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:1x", ":1", "[::1:1"):
            refused(f"--listen {wrong}", "ADDRESS:PORT", code=2, listen=wrong)
        refused("--metrics", "ADDRESS:PORT or none", code=2, metrics="some")
        key.chmod(0o644)
        refused("a key that others can read", "chmod 600")
        key.chmod(0o600)
        kept = key.read_bytes()
        key.write_bytes(b"no key")
        refused("a key that is none", "tls.key")
        key.write_bytes((firm.data / "ca.key").read_bytes())
        refused("another key", "tls.key")
        key.unlink()
        refused("no key", "tls.key")
        if shutil.which("faketime"):
            run(["faketime", "2001-01-01", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-days", "10", "-subj", "/CN=old", "-keyout", key,
                 "-out", firm.dir / "old.pem"])
            key.chmod(0o600)
            valid = certificate.read_bytes()
            certificate.write_bytes((firm.dir / "old.pem").read_bytes())
            refused("a certificate that is over", "expired")
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                 "20", "-subj", "/CN=soon", "-keyout", key, "-out", certificate])
            refused("the port is taken, and the certificate soon over", "can't listen", listen=f"127.0.0.1:{port}")
            refused("a certificate that is soon over", "expires in 19 days", listen=f"127.0.0.1:{port}")
            certificate.write_bytes(valid)
        key.write_bytes(kept)
        key.chmod(0o600)
        certificate.rename(firm.dir / "away")
        refused("no certificate", "tls.pem")
        (firm.dir / "away").rename(certificate)
        (firm.data / "store.db").rename(firm.dir / "store")
        refused("no store", "init")
        (firm.data / "store.db").write_bytes(b"not a database at all" * 500)
        refused("another file", "store.db")
        (firm.data / "store.db").unlink()
        (firm.dir / "store").rename(firm.data / "store.db")
        taken.close()
        firm.start()
        firm.stop()


def test_streams_that_are_reset():
    with wired() as w:
        get = rawh2.head("GET", "/v1/ca")
        with rawh2.Connection(w.firm.port) as c:
            c.hello()
            sent = 0
            for stream in range(1, 20001, 2):
                if not c.send(rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS | rawh2.END_STREAM, stream, get) +
                              rawh2.frame(rawh2.RST_STREAM, 0, stream, b"\0\0\0\x08")):
                    break
                sent += 1
            check(c.closed_within(10), f"{sent} streams were reset and nobody minded")
        w.well("rapid reset")
        post = rawh2.head("POST", "/v1/sync", content_type="application/cbor-seq", content_encoding="zstd",
                          content_length="1000000")
        for round_ in range(100): # within the burst of resets
            with rawh2.Connection(w.firm.port) as c:
                c.hello()
                for stream in (1, 3):
                    c.send(rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS, stream, post))
                    for _ in range(4):
                        c.send(rawh2.frame(rawh2.DATA, 0, stream, bytes(16000)))
                if round_ % 2 == 0: # else the connection simply goes
                    c.send(rawh2.frame(rawh2.RST_STREAM, 0, 1, b"\0\0\0\x08"))
        w.wait_for("connections", 0, 10)
        w.well("bodies cut short")


def test_floods_of_frames():
    with wired() as w:
        floods = {"PING": rawh2.frame(rawh2.PING, 0, 0, bytes(8)),
                  "SETTINGS": rawh2.frame(rawh2.SETTINGS, 0, 0),
                  "CONTINUATION": rawh2.frame(rawh2.CONTINUATION, 0, 1, rawh2.field("x", "y" * 8000))}
        for name, one in floods.items():
            with rawh2.Connection(w.firm.port) as c:
                c.hello()
                if name == "CONTINUATION":
                    c.send(rawh2.frame(rawh2.HEADERS, 0, 1, rawh2.head("GET", "/v1/ca")))
                for _ in range(2000): # never reading: what is answered has nowhere to go
                    if not c.send(one * 20):
                        break
            w.well(f"a flood of {name}")


def test_a_cut_at_every_byte():
    """The request of a sync, cut after N bytes for N over its whole length, leaves nothing behind."""
    with wired() as w:
        body = w.hello()
        headers = {k.replace("-", "_"): v for k, v in (SYNC | w.sign(body)).items()}
        whole = (rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS, 0, 0) +
                 rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS, 1, rawh2.head("POST", "/v1/sync", **headers)) +
                 rawh2.frame(rawh2.DATA, rawh2.END_STREAM, 1, body))
        with rawh2.Connection(w.firm.port) as c:
            c.send(whole)
            equal(c.first_status(), 200, "the whole of it")
        for size in range(0, len(whole), 7):
            with rawh2.Connection(w.firm.port) as c:
                c.send(whole[:size])
        w.wait_for("connections", 0, 10)
        equal(w.sync()[0], 200, "a sync afterwards")
        w.well("cut requests")


def test_health_and_metrics():
    with wired() as w:
        base = f"http://127.0.0.1:{w.firm.metrics_port}"
        for path, method, status in (("/nothing", "GET", 404), ("/metrics", "POST", 405)):
            try:
                with urllib.request.urlopen(urllib.request.Request(base + path, method=method), timeout=10) as r:
                    got = r.status
            except urllib.error.HTTPError as e:
                got = e.code
            equal(got, status, f"{method} {path}")
        w.ask("GET", "/v1/ca")
        equal(w.metric('requests_total{route="CA",status="200"}'), 1, "counted")
        check(w.metric("certificate_days_left") > 7000, "the firm's own certificate ends in 2049")
        second = w.firm.admin("serve", "--listen", "127.0.0.1:0", "--metrics", "none", expect=1)
        check("another" in second.err, f"a second server on the same data\n{second}")


class Live:
    """GET /v1/live, and what has come down it."""

    def __init__(self, w):
        self.file = w.firm.dir / "live"
        self.file.unlink(missing_ok=True)
        headers = [a for k, v in w.sign(b"", "GET", "/v1/live").items() for a in ("-H", f"{k}: {v}")]
        count = w.metric("live_streams")
        self.process = subprocess.Popen(["curl", "-sS", "-N", "--http2", "--cacert", w.firm.data / "ca.pem",
                                         "-o", self.file, *headers, w.url + "/v1/live"])
        w.wait_for("live_streams", count + 1, 10)

    def hints(self):
        said = tool("read", data=self.file.read_bytes()) if self.file.exists() else b""
        return [json.loads(line)["advanced"] for line in said.splitlines()]

    def wait(self, count, seconds):
        end = time.monotonic() + seconds
        while len(self.hints()) < count and time.monotonic() < end:
            time.sleep(0.05)
        equal(self.hints(), [True] * count, "hints")


def test_live_hints():
    with wired() as w:
        equal(w.sync()[0], 200, "a sync")
        live = Live(w)
        live.wait(0, 0.5)
        w.firm.user("zoe", "rep") # by another process
        live.wait(1, 3)
        w.firm.admin("user", "edit", "zoe", "--title", "Senior")
        live.wait(2, 3)
        live.process.kill()
        live.process.wait()
        w.wait_for("live_streams", 0, 5)
        w.firm.admin("user", "edit", "zoe", "--title", "Junior")
        time.sleep(1.5)
        live = Live(w)
        live.wait(1, 2) # it missed something since its last sync
        device = w.firm.admin("device", "list", "--json").json()[0]
        w.firm.admin("device", "revoke", device["id"])
        equal(live.process.wait(5), 0, "a revoked device's stream is ended")
        w.well("live")


def test_stopping_is_graceful():
    with wired() as w:
        live = Live(w).process
        begin = time.monotonic()
        w.firm.stop(seconds=12)
        equal(live.wait(5), 0, "the live stream ended properly")
        check(time.monotonic() - begin < 5, "nothing was under way, so it took no time")
        w.firm.start()
        equal(w.sync()[0], 200, "a sync after the restart")
        body = w.file(w.hello())
        args = ["h2load", "-n", "100000", "-c", "20", "-m", "10", "-d", body]
        for name, value in (SYNC | w.sign(body.read_bytes())).items():
            args += ["-H", f"{name}: {value}"]
        flood = subprocess.Popen([*args, w.url + "/v1/sync"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        w.firm.stop(seconds=12) # with some 200 requests under way
        flood.kill()
        flood.wait()
        w.firm.start()
        w.firm.healthy()
        time.sleep(1)
        equal(w.sync()[0], 200, "a sync after a stop under load")


if __name__ == "__main__":
    main(globals())
