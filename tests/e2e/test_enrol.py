#!/usr/bin/env python3
"""Letting a device in, and shutting it out."""
import http.server
import re
import ssl
import subprocess
import threading
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Device, Firm, check, equal, main, run
from proxy import Proxy
from rawh2 import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, field, frame
from sample import firm_with_reps


def test_a_bad_code_says_the_same_whatever_is_wrong_with_it():
    with firm_with_reps(goods=False) as firm:
        used = firm.invite("lin")
        Device(firm, "first").enroll(used)
        expired = firm.invite("lin")
        run(["sqlite3", firm.data / "store.db",
             "UPDATE invitation SET expires_at = 1 WHERE used_at IS NULL"])
        wrong = expired.rsplit(",", 1)[0] + "," + "A" * 27
        said = []
        for name, code in (("used", used), ("expired", expired), ("wrong", wrong)):
            result = Device(firm, name).enroll(code, expect=1)
            said.append((name, result.err))
            check(not (firm.dir / name / "replica.db").exists(), f"{name}: no replica is left")
        equal(len({text for _, text in said}), 1, f"one and the same answer: {said}")


def test_malformed_codes():
    with firm_with_reps(goods=False) as firm:
        good = firm.invite("lin").split(",")
        for code in ("", "lw1", "lw1,,,", "hello", ",".join(["lw9", *good[1:]]),
                     ",".join([*good[:3], "short"]), ",".join([good[0], "127.0.0.1:notaport", *good[2:]]),
                     ",".join([good[0], good[1], "!!!", good[3]]), "x" * 5000):
            result = Device(firm, "bad").enroll(code, expect=(1, 2))
            check(result.err.strip(), "a reason")


class Listener(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *args):
        pass


def test_another_ca_is_refused_before_anything_is_sent():
    """The invitation's hash is of one firm's CA; the address is another firm's server."""
    with firm_with_reps(goods=False) as real, Firm(company="Fake") as fake:
        fake.start()
        code = fake.here(real.invite("lin"))
        result = Device(real, "victim").enroll(code, expect=1)
        check(result.err.strip(), "a reason")
        equal(fake.query("SELECT count(*) AS n FROM device"), [{"n": 0}], "devices of the fake server")
        check("/v1/enroll" not in fake.log.read_text(), "the secret never left")
        # The same code still works at the right place: it wasn't spent.
        Device(real, "victim2").enroll(real.here(code))


def test_a_server_that_changed_its_key_gets_nothing():
    with firm_with_reps(goods=False) as firm, Firm(company="Fake") as fake:
        lin = firm.device("lin")
        lin.sync()
        lin.new("customer", name="秘密客户", kind="prospect")
        firm.kill()
        fake.port = firm.port
        fake.start()
        lin.run("sync", expect=3)
        equal(lin.json("status")["pending"], 1, "the work is still here")
        fake.stop()
        firm.start()
        equal(lin.sync()["accepted"], 1, "and goes to the right server")


def test_a_plain_web_server_gets_nothing():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        firm.kill()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", firm.port), Listener)
        server.seen = []
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", firm.dir / "k.pem", "-out", firm.dir / "c.pem", "-days", "9", "-subj",
             "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(firm.dir / "c.pem", firm.dir / "k.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *args: None
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        lin.run("sync", expect=3)
        server.shutdown()
        server.server_close()
        equal(server.seen, [], "requests that reached a stranger's server")


class OldServer:
    """What stands in the place of a server of protocol 1 (Proxy.strange): today's answers, but an ENROL of
    more than the five fields of that time is malformed. `broken`: so is any other."""

    def __init__(self, firm):
        self.base = f"https://127.0.0.1:{firm.port}"
        self.seen = []
        self.broken = False
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(firm.data / "tls.pem", firm.data / "tls.key")
        self.context.set_alpn_protocols(["h2"])

    def __call__(self, sock):
        sock.settimeout(10)
        with self.context.wrap_socket(sock, server_side=True) as line:
            stream = line.makefile("rb")
            stream.read(len(PREFACE))
            line.sendall(frame(SETTINGS, 0, 0))
            body = b""
            while True:
                start = stream.read(9)
                kind, flags, number = start[3], start[4], int.from_bytes(start[5:9], "big")
                payload = stream.read(int.from_bytes(start[:3], "big"))
                if kind == SETTINGS and flags == 0:
                    line.sendall(frame(SETTINGS, 1, 0))
                if kind == DATA:
                    body += payload
                if kind in (HEADERS, DATA) and flags & END_STREAM:
                    break
            status, form, content = self.answer(body)
            head = field(":status", status) + field("content-type", form)
            line.sendall(frame(HEADERS, END_HEADERS, number, head) + frame(DATA, END_STREAM, number, content))
            stream.read() # until the device has closed it

    def answer(self, body):
        if not body:
            path, more = "/v1/ca", []
        else:
            self.seen.append(body[0] & 31)
            body = body if body[0] == 0x85 and not self.broken else b"?"
            path, more = "/v1/enroll", ["-H", "Content-Type: application/cbor-seq", "--data-binary", "@-"]
        done = subprocess.run(["curl", "-sk", "--http2", "-w", "\n%{http_code} %{content_type}", *more,
                               self.base + path], input=body, capture_output=True, check=True)
        content, _, last = done.stdout.rpartition(b"\n")
        return (*last.decode().split(" ", 1), content)


def test_a_server_of_protocol_1():
    """Either side may be brought up to date first: a new program enrols with the old fields. Where that
    can't be, it says who has to do what."""
    with firm_with_reps(goods=False) as firm:
        proxy = Proxy(firm.port)
        old = proxy.strange = OldServer(firm)

        def code():
            head, _, ca, secret = firm.invite("lin").split(",")
            return ",".join((head, f"127.0.0.1:{proxy.port}", ca, secret))

        lin = Device(firm, "lin")
        lin.enroll(code())
        equal(old.seen, [6, 5], "fields of each ENROL")
        again = lin.enroll(code(), expect=1)
        check("legworkd to be brought up to date" in again.err and "saved here" in again.err, str(again))
        old.broken = True
        unused = code()
        never = Device(firm, "never").enroll(unused, expect=1)
        check("legworkd to be brought up to date" in never.err, str(never))
        proxy.strange = None # it is brought up to date
        lin.sync()
        Device(firm, "never").enroll(unused)


def test_a_revoked_device_gets_nothing():
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        lin.sync()
        lin.set("customer", "L1", city="苏州")
        listed = firm.admin("--json", "device", "list", expect=None)
        ids = firm.query("SELECT d.id FROM device d JOIN person p ON p.id = d.person_id"
                         " WHERE p.login = 'lin'")
        firm.admin("device", "revoke", ids[0]["id"])
        result = lin.run("sync", expect=1)
        check(result.err.strip(), f"a reason {listed}")
        equal(lin.json("status")["pending"], 1, "the work is still on the device")
        equal(firm.query("SELECT city FROM customer WHERE no = 'L1'"), [{"city": "上海"}], "the store")
        sam.sync()
        # A new invitation for the same person works at once.
        firm.device("lin", "new").sync()


def test_a_disabled_person_gets_nothing():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        firm.admin("user", "disable", "lin")
        lin.run("sync", expect=1)
        check(firm.admin("invite", "lin", expect=(0, 1)).code == 1, "no invitation for the disabled")


def test_enrolling_twice_into_one_home():
    """Over a folder that is enrolled, the same person's invitation keeps the work; another person's and
    another firm's change nothing."""
    with firm_with_reps(goods=False) as firm, Firm(company="Other Firm") as other:
        lin = firm.device("lin")
        lin.sync()
        lin.set("customer", "L1", city="苏州")
        before = lin.json("status")
        other.user("lin", "rep")
        foreign = other.invite("lin")
        lin.enroll(firm.invite("sam"), expect=1)
        lin.enroll(foreign.replace(foreign.split(",")[1], f"127.0.0.1:{firm.port}"), expect=1)
        equal(lin.json("status")["device"], before["device"], "whose device it is")
        lin.enroll(firm.invite("lin"))
        after = lin.json("status")
        check(after["device"] != before["device"], "it is another device")
        equal(after["pending"], 1, "the work is still there")
        equal(lin.sync()["accepted"], 1, "and goes out")
        equal(firm.query("SELECT city FROM customer WHERE no = 'L1'"), [{"city": "苏州"}], "the store")



main(globals())
