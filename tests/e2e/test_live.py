#!/usr/bin/env python3
"""Live streams over the wire: who is hinted about what, what ends a stream, and what becomes of one too
many. The streams are held by hand (support/rawh2.py); what moves the scopes is a real device."""
import contextlib
import json
import pathlib
import resource
import select
import socket
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import rawh2
from legwork import Firm, check, equal, main
from test_wire import Wire, tool

SOON = 1.5 # seconds; what comes at once comes within them on a slow machine, too
PING_ACK = 1


class Listener:
    """A device that syncs once and then listens."""

    def __init__(self, wire, login, open_now=True):
        self.wire = wire
        self.key = wire.firm.dir / f"key-{login}-{time.monotonic_ns()}"
        status, messages = wire.enrol(wire.firm.invite(login), self.key)
        equal(status, 200, f"enrolment of {login}'s listener")
        self.state = messages[0]["state"]
        if open_now:
            equal(self.sync(), 200, f"{login}'s sync")
            equal(self.open(), 200, f"{login}'s stream")

    def sync(self):
        return self.wire.sync(tool("hello", self.state), key=self.key)[0]

    def headers(self):
        return self.wire.sign(b"", "GET", "/v1/live", key=self.key)

    def open(self):
        self.connection = rawh2.Connection(self.wire.firm.port)
        headers = {k.replace("-", "_"): v for k, v in self.headers().items()}
        self.connection.send(rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS, 0, 0) + rawh2.frame(
            rawh2.HEADERS, rawh2.END_STREAM | rawh2.END_HEADERS, 1, rawh2.head("GET", "/v1/live", **headers)))
        return self.connection.first_status()

    def hear(self, seconds, answering=True):
        """The next hint: True (advanced) or False (still there); "end"; None: nothing came."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            got = self.connection.read_frame(left)
            if got is None:
                return "end" if self.connection.closed_within(0.01) else None
            kind, flags, _, payload = got
            if kind == rawh2.PING and not flags & PING_ACK and answering:
                self.connection.send(rawh2.frame(rawh2.PING, PING_ACK, 0, payload))
            if kind == rawh2.DATA and payload:
                return json.loads(tool("read", data=payload).splitlines()[-1])["advanced"]
            if kind == rawh2.GOAWAY or (kind == rawh2.DATA and flags & rawh2.END_STREAM):
                return "end"
        return None

    def drain(self):
        while self.hear(0.7) not in (None, "end"):
            pass

    def last_word(self):
        """What comes after the hints: "end", or None."""
        while (heard := self.hear(SOON)) is True:
            pass
        return heard

    def close(self):
        self.connection.sock.close()


@contextlib.contextmanager
def listening(*options):
    with Firm() as firm:
        firm.options = list(options)
        firm.start()
        wire = Wire(firm) # adds lin
        firm.user("sam", "rep")
        yield wire
        firm.stop()


def test_who_holds_it_is_hinted():
    with listening() as w:
        phone = w.firm.device("lin", "phone")
        phone.sync()
        lin, sam, root = Listener(w, "lin"), Listener(w, "sam"), Listener(w, "root")
        for who in (lin, sam, root):
            who.drain()
        phone.new("customer", name="Tea House")
        phone.sync()
        equal((lin.hear(SOON), root.hear(SOON)), (True, True), "those who hold lin's book hear")
        equal(sam.hear(SOON), None, "sam doesn't hold it")
        w.firm.user("zoe", "rep") # by another process, in the company's scope
        equal([who.hear(SOON) for who in (lin, sam, root)], [True] * 3, "all hear of the company")
        for who in (lin, sam, root):
            who.drain()
        zoe = w.firm.device("zoe", "zoe")
        zoe.sync()
        root.drain()
        zoe.new("customer", name="Corner Shop")
        zoe.sync()
        equal(root.hear(SOON), True, "an admin hears of a book that came to be after his stream")
        equal((lin.hear(SOON), sam.hear(0.1)), (None, None), "and nobody else")


def test_who_gains_a_book_is_hinted_about_it():
    with listening() as w:
        phone = w.firm.device("lin", "phone")
        phone.new("customer", name="Tea House")
        phone.sync()
        sam = Listener(w, "sam")
        sam.drain()
        w.firm.admin("book", "give", "lin", "--to", "sam")
        equal(sam.hear(SOON), True, "of the book")
        sam.drain()
        mei = w.firm.device("root", "admin") # who may write there
        mei.sync()
        sam.drain()
        mei.set("customer", "C-000001", note="moved")
        mei.sync()
        equal(sam.hear(SOON), True, "of what moves in it")


def test_a_second_stream_ends_the_first():
    with listening() as w:
        lin = Listener(w, "lin")
        first = lin.connection
        equal(lin.open(), 200, "the second stream")
        second, lin.connection = lin.connection, first
        equal(lin.last_word(), "end", "the first one")
        w.wait_for("live_streams", 1, 5)
        lin.connection = second
        lin.drain()
        w.firm.user("zoe", "rep")
        equal(lin.hear(SOON), True, "the second one is heard")


def test_who_is_revoked_hears_nothing_more():
    with listening() as w:
        sam, lin = Listener(w, "sam"), Listener(w, "lin")
        sam.drain()
        lin.drain()
        mine = [d for d in w.firm.admin("device", "list", "--json").json() if d["login"] == "sam"]
        w.firm.admin("device", "revoke", mine[0]["id"])
        begin = time.monotonic()
        equal(sam.last_word(), "end", "sam's stream") # its own row may move before
        check(time.monotonic() - begin < SOON, "at once")
        w.firm.admin("user", "disable", "lin")
        equal(lin.last_word(), "end", "the stream of somebody who left the firm")
        w.wait_for("live_streams", 0, 5)


def test_one_too_many():
    with listening("--streams", "2") as w:
        lin, sam, third = Listener(w, "lin"), Listener(w, "sam"), Listener(w, "root", open_now=False)
        status, messages = w.ask("GET", "/v1/live", third.headers())
        equal((status, messages[0]["code"]), (503, "busy"), "a third stream")
        check(30 <= messages[0]["limit"] < 60, f"come again later, not all at once: {messages}")
        equal(third.sync(), 200, "its sync is served")
        equal(w.metric("live_streams"), 2, "streams")
        sam.close()
        w.wait_for("live_streams", 1, 5)
        equal(third.open(), 200, "where one has left there is room")
        w.firm.user("zoe", "rep")
        check(True in (lin.hear(SOON), lin.hear(SOON)), "those who were there are still hinted")


def test_who_does_not_answer_is_gone():
    """As after a phone lost its network: nothing says so, and TCP would wait a quarter of an hour."""
    with listening("--keep-alive", "2") as w:
        deaf, lin = Listener(w, "sam"), Listener(w, "lin")
        equal(w.metric("live_streams"), 2, "streams")
        begin, said = time.monotonic(), 0
        while w.metric("live_streams") == 2 and time.monotonic() - begin < 8:
            said += lin.hear(0.5) is False # answers each PING
        took = time.monotonic() - begin
        check(2 <= took < 8, f"the one that is deaf went after {took:.1f} s")
        end = time.monotonic() + 6
        while time.monotonic() < end:
            heard = lin.hear(0.5)
            said += heard is False
            check(heard != "end", "who answers stays")
        check(said >= 3, f"something is said every other second: {said}")
        equal(w.metric("live_streams"), 1, "streams")
        deaf.close()


def client_hello():
    """The first bytes of a client that speaks TLS as ours do."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        rawh2.context().wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def test_a_crowd_at_the_door():
    """As after a restart: a handshake takes the server a thousandth of a second and more, and those who are
    in already are heard between them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with listening() as w, contextlib.ExitStack() as stack:
        count, hello = 600, client_hello()
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", w.firm.port), 10, (f"127.0.1.{i % 200 + 1}", 0)))
                 for i in range(count)]
        inside = stack.enter_context(rawh2.Connection(w.firm.port))
        inside.hello()
        begin = time.monotonic()
        for s in crowd:
            s.sendall(hello)
        sent = time.monotonic()
        inside.send(rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS | rawh2.END_STREAM, 1, rawh2.head("GET", "/v1/ca")))
        equal(inside.first_status(), 200, "a request of somebody who is in")
        heard = time.monotonic() - sent
        waiting = set(crowd)
        while waiting and time.monotonic() - begin < 60:
            for s in readable(waiting):
                check(s.recv(65536), "nobody at the door is sent away")
                waiting.discard(s)
        took = time.monotonic() - begin
        check(not waiting, f"{len(waiting)} had no answer within {took:.1f} s")
        check(heard < took / 4, f"heard after {heard * 1000:.0f} ms, the crowd took {took * 1000:.0f} ms")


def readable(sockets):
    poll = select.poll()
    by_number = {s.fileno(): s for s in sockets}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(1000)]


def test_open_files():
    """Each device is one. The limit is raised as far as it goes; where that isn't far it is said."""
    for soft, hard, few in ((256, 300, True), (1024, 13000, False)):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
            continue
        with Firm(prefix=("prlimit", f"--nofile={soft}:{hard}")) as firm:
            firm.start()
            limits = pathlib.Path(f"/proc/{firm.process.pid}/limits").read_text()
            equal(limits.split("Max open files")[1].split()[0], str(hard), "the limit while it serves")
            equal(f"only {hard} files" in firm.log.read_text(), few, f"said of {hard}")
            firm.stop()


def test_a_restart_knows_the_sessions_before_it():
    with listening() as w:
        context = rawh2.context()

        def connect(session=None):
            with socket.create_connection(("127.0.0.1", w.firm.port), 10) as raw:
                with context.wrap_socket(raw, session=session) as s:
                    return s.session_reused, s.session
        session = connect()[1]
        check(connect(session)[0], "a session is resumed")
        w.firm.stop()
        w.firm.start()
        check(connect(session)[0], "also by the server that was started again")
        w.firm.stop()
        (w.firm.data / "tls.tickets").write_bytes(b"cut")
        w.firm.start()
        check(not connect(session)[0], "without its keys it shakes hands in full")


def test_a_quiet_connection_takes_little():
    """Of some 48 KiB, a third is room for records of TLS, which it gives back while it has none."""
    with listening() as w, contextlib.ExitStack() as stack:
        before, count = w.rss_kib(), 300
        for _ in range(count):
            c = stack.enter_context(rawh2.Connection(w.firm.port))
            c.hello()
        time.sleep(7)
        each = (w.rss_kib() - before) / count
        check(each < 42, f"{each:.1f} KiB a connection at rest")
        c.send(rawh2.frame(rawh2.HEADERS, rawh2.END_HEADERS | rawh2.END_STREAM, 1, rawh2.head("GET", "/v1/ca")))
        equal(c.first_status(), 200, "one that rested")


if __name__ == "__main__":
    main(globals())
