"""HTTP/2 by hand, for clients that misbehave: frames are written byte by byte, and of answers only the
status of a connection's first response is understood (later ones may lean on HPACK's memory)."""
import socket
import ssl
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INDEXED_STATUS = {0x88: 200, 0x89: 204, 0x8a: 206, 0x8b: 304, 0x8c: 400, 0x8d: 404, 0x8e: 500}
# RFC 7541, appendix B: codes of the digits
DIGITS = {"00000": "0", "00001": "1", "00010": "2", "011001": "3", "011010": "4", "011011": "5",
          "011100": "6", "011101": "7", "011110": "8", "011111": "9"}


def context(alpn=("h2",)):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if alpn:
        c.set_alpn_protocols(list(alpn))
    return c


def field(name, value):
    """A literal that nobody remembers."""
    name, value = name.encode(), value.encode()
    return b"\x00" + length(len(name)) + name + length(len(value)) + value


def length(n):
    if n < 127:
        return bytes([n])
    out, n = b"\x7f", n - 127
    while n >= 128:
        out, n = out + bytes([n % 128 + 128]), n // 128
    return out + bytes([n])


def head(method, path, **more):
    fields = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "x")]
    fields += [(k.replace("_", "-"), v) for k, v in more.items()]
    return b"".join(field(k, v) for k, v in fields)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def status_of(block):
    """The status that a first response's header block begins with."""
    while block and block[0] & 0xe0 == 0x20: # the size of HPACK's table may be told first
        n = 1
        if block[0] & 0x1f == 0x1f:
            while block[n] & 0x80:
                n += 1
            n += 1
        block = block[n:]
    if block[0] in INDEXED_STATUS:
        return INDEXED_STATUS[block[0]]
    size = block[1] & 0x7f
    text = block[2:2 + size]
    if block[1] & 0x80 == 0:
        return int(text)
    bits, code, out = "".join(f"{b:08b}" for b in text), "", ""
    for bit in bits:
        code += bit
        if code in DIGITS:
            out, code = out + DIGITS[code], ""
    return int(out[:3])


class Connection:
    def __init__(self, port, alpn=("h2",), room=None):
        raw = socket.socket()
        if room: # how much the kernel takes for somebody who doesn't read
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", port))
        self.sock = context(alpn).wrap_socket(raw)
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """False: the other side has closed."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            return False

    def hello(self):
        return self.send(PREFACE + frame(SETTINGS, 0, 0))

    def read_frame(self, seconds=20):
        """kind, flags, stream, payload; None: closed, or nothing within the time."""
        end = time.monotonic() + seconds
        while True:
            if len(self.pending) >= 9:
                size = int.from_bytes(self.pending[:3], "big")
                if len(self.pending) >= 9 + size:
                    kind, flags = self.pending[3], self.pending[4]
                    stream = int.from_bytes(self.pending[5:9], "big") & 0x7fffffff
                    payload, self.pending = self.pending[9:9 + size], self.pending[9 + size:]
                    return kind, flags, stream, payload
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                got = self.sock.recv(65536)
            except OSError:
                return None
            if not got:
                return None
            self.pending += got

    def first_status(self, seconds=20):
        while True:
            f = self.read_frame(seconds)
            if f is None or f[0] in (GOAWAY, RST_STREAM):
                return None
            if f[0] == HEADERS:
                return status_of(f[3])

    def closed_within(self, seconds):
        """Whether the server closes, after whatever else it says."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                if not self.sock.recv(65536):
                    return True
            except TimeoutError:
                return False
            except OSError:
                return True
        return False
