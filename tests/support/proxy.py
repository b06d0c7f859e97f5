"""A TCP proxy between devices and a server that does to the bytes what networks do.

    proxy = Proxy(firm.port)
    lin = enrolled_through(proxy, firm, "lin")
    proxy.fault = Fault(cut="up", at=200)      # the next connection; later ones are left alone

Counts are of TLS bytes at the socket. `strange` makes it a captive portal: it answers by itself."""
import dataclasses
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

from legwork import Device

UP, DOWN = "up", "down"
PIECE = 1 << 14


@dataclasses.dataclass
class Fault:
    """What happens to one connection (`lasting`: to all)."""
    cut: str = ""  # this direction's byte `at` is the last one; then the connection ends
    at: int = 0
    reset: bool = False  # the end is an RST, else a FIN in both directions
    stall: str = ""  # from byte `at` on, nothing of this direction arrives any more
    dead: bool = False  # from byte `at` of `cut` on, nothing arrives at all and nobody is told
    delay: float = 0  # seconds, each way
    rate: int = 0  # bytes a second, each way
    lasting: bool = False


class Proxy:
    def __init__(self, target):
        self.target = target
        self.fault = None
        self.strange = None  # a function that gets the accepted socket
        self.up = self.down = self.connections = 0
        self.open = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def reset(self):
        self.up = self.down = self.connections = 0

    def _take_fault(self):
        fault = self.fault
        if fault is not None and not fault.lasting:
            self.fault = None
        return fault or Fault()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near, self._take_fault()), daemon=True).start()

    def _serve(self, near, fault):
        if self.strange is not None:
            try:
                self.strange(near)
            except OSError:
                pass
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            near.close()
            return
        with self.lock:
            self.open += 1
        try:
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _carry(self, near, far, fault)
        except OSError:
            pass
        for s in (near, far):
            if fault.reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        with self.lock:
            self.open -= 1


class _Way:
    """One direction: what was read and isn't written yet, with the time at which it may be."""

    def __init__(self, name, source, sink, fault):
        self.name, self.source, self.sink, self.fault = name, source, sink, fault
        self.passed = 0
        self.queue = []
        self.free_at = 0
        self.ended = False

    def read(self):
        data = self.source.recv(PIECE)
        if not data:
            self.ended = True
        now = time.monotonic()
        while data:
            piece, data = (data[:512], data[512:]) if self.fault.rate else (data, b"")
            at = now + self.fault.delay
            if self.fault.rate:
                self.free_at = max(self.free_at, now) + len(piece) / self.fault.rate
                at = max(at, self.free_at)
            self.queue.append((at, piece))

    def write(self, proxy):
        """False: the connection ends here."""
        while self.queue and self.queue[0][0] <= time.monotonic():
            piece = self.queue.pop(0)[1]
            fault = self.fault
            if fault.stall == self.name and self.passed + len(piece) > fault.at:
                piece = piece[:max(0, fault.at - self.passed)]
            last = fault.cut == self.name and self.passed + len(piece) >= fault.at
            if last:
                piece = piece[:fault.at - self.passed]
            self.sink.sendall(piece)
            self.passed += len(piece)
            setattr(proxy, self.name, getattr(proxy, self.name) + len(piece))
            if last:
                return False
        return True

    def due(self):
        return max(0, self.queue[0][0] - time.monotonic()) if self.queue else None


def _carry(proxy, near, far, fault):
    ways = [_Way(UP, near, far, fault), _Way(DOWN, far, near, fault)]
    while True:
        waits = [w.due() for w in ways if w.due() is not None]
        sources = [w.source for w in ways if not w.ended]
        if not sources and not waits:
            return
        ready, _, _ = select.select(sources, [], [], min(waits) if waits else None)
        for w in ways:
            if w.source in ready:
                w.read()
        for w in ways:
            if not w.write(proxy):
                if fault.dead:
                    _hold(near)
                return
            if w.ended and not w.queue:
                return


def _hold(near):
    """Nobody hears anything any more, until the device gives up."""
    near.settimeout(120)
    while near.recv(PIECE):
        pass


def enrolled_through(proxy, firm, login, name=None):
    """A device that knows the proxy as its server."""
    device = Device(firm, name or login)
    head, _, ca, secret = firm.invite(login).split(",")
    device.enroll(",".join((head, f"127.0.0.1:{proxy.port}", ca, secret)))
    return device


# ---- captive portals ----

def self_signed(folder):
    """Certificate and key of somebody whom no device trusts."""
    made = folder / "portal.pem"
    if not made.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", made, "-out", folder / "crt",
                        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        with open(made, "ab") as f:
            f.write((folder / "crt").read_bytes())
    return made


class Portal:
    """Answers every request with `answer`; what was sent to it stands in `heard`. `certificate`: the
    PEM file of its key and certificate, or None for plain HTTP."""

    def __init__(self, answer, certificate=None, alpn=("http/1.1",)):
        self.answer = answer
        self.certificate = certificate
        self.heard = b""
        self.context = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            self.context.set_alpn_protocols(list(alpn))

    def __call__(self, sock):
        sock.settimeout(5)
        if self.context is not None:
            sock = self.context.wrap_socket(sock, server_side=True)
        self.heard += sock.recv(PIECE)
        sock.sendall(self.answer)
        sock.close()


def http_answer(status, body=b"<html>Welcome to our hotel</html>", *lines):
    head = [f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
