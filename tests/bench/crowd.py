"""A crowd of devices that only listen: a process holds thousands of live streams, answers PINGs, and comes
back as `legwork sync --watch` does when its stream has ended, with a TLS session where the server still
knows it. Each device has its own key; each process has addresses of its own."""
import base64
import ctypes
import ctypes.util
import hashlib
import heapq
import multiprocessing
import os
import pathlib
import random
import selectors
import socket
import sqlite3
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import rawh2

EACH = 2500 # streams a process
AT_ONCE = 64 # of a process's connections that are being made when nothing is in a hurry
FIRST_NUMBER = 100
PING_ACK = 1
SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))


# ---- devices ----

def key_of(number):
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    SODIUM.crypto_sign_seed_keypair(public, secret, hashlib.sha256(b"%d" % number).digest())
    return public.raw, secret.raw


def keyid_of(public):
    return base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:9]).decode()


def enrol(firm, count):
    """Straight into the store, as the newest device's person, who holds another book than those who
    are measured: nobody in the crowd is hinted about them. The server doesn't run."""
    store = sqlite3.connect(firm.data / "store.db")
    columns = [row[1] for row in store.execute("PRAGMA table_info(device_key)")]
    names = ", ".join(columns)
    template = dict(zip(columns, store.execute(f"SELECT {names} FROM device_key ORDER BY number DESC"
                                             " LIMIT 1").fetchone()))
    numbers = range(FIRST_NUMBER, FIRST_NUMBER + count)
    for number in numbers:
        public, _ = key_of(number)
        row = dict(template, number=number, device=os.urandom(16), key_id=keyid_of(public),
                   public_key=public, token=os.urandom(16), token_pending=os.urandom(16))
        if "family" in row:
            row["family"] = number
        store.execute(f"INSERT INTO device_key ({names}) VALUES ({', '.join('?' * len(columns))})",
                      [row[c] for c in columns])
    store.commit()
    store.close()
    return numbers


def live_request(number):
    public, secret = key_of(number)
    params = f'("@method" "@path");created={int(time.time())};keyid="{keyid_of(public)}"'
    text = f'"@method": GET\n"@path": /v1/live\n"@signature-params": {params}'.encode()
    signature = ctypes.create_string_buffer(64)
    SODIUM.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)), secret)
    block = rawh2.head("GET", "/v1/live", signature_input="s=" + params,
                       signature=f"s=:{base64.b64encode(signature.raw).decode()}:")
    return rawh2.frame(rawh2.HEADERS, rawh2.END_STREAM | rawh2.END_HEADERS, 1, block)


# ---- one process ----

class Device:
    def __init__(self, number, address):
        self.number, self.address = number, address
        self.sock = self.session = None
        self.state = "away" # connecting, shaking, asked, live
        self.got = b""


class Holder:
    """`figures`: live, asked again, refused (an answer other than 200), lost (no answer), resumed."""

    def __init__(self, port, numbers, process, figures, jitter):
        self.port, self.figures, self.jitter = port, figures, jitter
        self.context = rawh2.context()
        self.selector = selectors.DefaultSelector()
        self.devices = [Device(n, f"127.0.{process + 1}.{i % 250 + 1}") for i, n in enumerate(numbers)]
        self.away = [(0, i) for i in range(len(self.devices))] # when each comes (back)
        self.making = 0

    def run(self, leave):
        while not leave.is_set():
            now = time.monotonic()
            hurry = self.jitter[1] == 0 # nobody waits for anybody
            while self.away and self.away[0][0] <= now and (hurry or self.making < AT_ONCE):
                self.connect(self.devices[heapq.heappop(self.away)[1]])
            for key, _ in self.selector.select(0.05):
                self.step(key.data)

    def connect(self, d):
        d.sock = socket.socket()
        d.sock.setblocking(False)
        d.sock.bind((d.address, 0))
        d.sock.connect_ex(("127.0.0.1", self.port))
        d.state = "connecting"
        self.making += 1
        self.selector.register(d.sock, selectors.EVENT_WRITE, d)

    def step(self, d):
        try:
            if d.state == "connecting":
                if d.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise ConnectionError
                self.selector.unregister(d.sock)
                d.sock = self.context.wrap_socket(d.sock, do_handshake_on_connect=False, session=d.session)
                d.state = "shaking"
                self.selector.register(d.sock, selectors.EVENT_READ, d)
            if d.state == "shaking":
                d.sock.do_handshake()
                self.figures[4] += d.sock.session_reused
                d.session = d.sock.session
                d.sock.send(rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS, 0, 0) + live_request(d.number))
                d.state, d.got = "asked", b""
            else:
                self.read(d)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self.lost(d, 3)

    def read(self, d):
        while True:
            piece = d.sock.recv(16384)
            if not piece:
                raise ConnectionError
            d.got += piece
            while len(d.got) >= 9 and len(d.got) >= 9 + (size := int.from_bytes(d.got[:3], "big")):
                kind, flags, payload = d.got[3], d.got[4], d.got[9:9 + size]
                d.got = d.got[9 + size:]
                if kind == rawh2.PING and not flags & PING_ACK:
                    d.sock.send(rawh2.frame(rawh2.PING, PING_ACK, 0, payload))
                elif kind == rawh2.HEADERS and d.state == "asked":
                    if rawh2.status_of(payload) != 200:
                        return self.lost(d, 2)
                    d.state = "live"
                    self.making -= 1
                    self.figures[0] += 1
                elif kind in (rawh2.GOAWAY, rawh2.RST_STREAM) or (kind == rawh2.DATA and flags & rawh2.END_STREAM):
                    raise ConnectionError

    def lost(self, d, why):
        if d.state == "live":
            self.figures[0] -= 1
        else:
            self.making -= 1
            self.figures[why] += 1
        self.figures[1] += 1
        self.selector.unregister(d.sock)
        d.sock.close()
        d.state = "away"
        low, high = self.jitter
        heapq.heappush(self.away, (time.monotonic() + low + random.random() * high, d.number - self.devices[0].number))


def hold(port, numbers, process, figures, jitter, leave):
    os.nice(5) # the crowd stands for other machines
    Holder(port, numbers, process, figures, jitter).run(leave)


class Crowd:
    def __init__(self, port, numbers):
        self.figures, self.processes = [], []
        self.jitter = multiprocessing.Array("d", [15.0, 15.0], lock=False)
        self.leave = multiprocessing.Event()
        for i in range(0, len(numbers), EACH):
            figures = multiprocessing.Array("i", 5, lock=False)
            self.figures.append(figures)
            self.processes.append(multiprocessing.Process(
                target=hold, args=(port, numbers[i:i + EACH], i // EACH, figures, self.jitter, self.leave), daemon=True))
        for p in self.processes:
            p.start()

    def sum(self, what):
        return sum(f[("live", "again", "refused", "lost", "resumed").index(what)] for f in self.figures)

    def come_back_after(self, least_s, more_s):
        """How long each waits after its stream has ended: `least_s` and up to `more_s` by chance."""
        self.jitter[0], self.jitter[1] = least_s, more_s

    def end(self):
        self.leave.set()
        for p in self.processes:
            p.join()
