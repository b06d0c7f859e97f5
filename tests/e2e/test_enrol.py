#!/usr/bin/env python3
"""Letting a device in, and shutting it out."""
import http.server
import re
import ssl
import threading
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Device, Firm, check, equal, main, run
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
