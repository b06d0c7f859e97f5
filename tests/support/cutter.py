"""A line to the server that is cut: it passes bytes on until so many went up, then closes both ends.
What goes over it is counted, so that a test can say how often bytes were sent."""
import socket
import threading


class Cutter:
    """with Cutter(firm.port) as line: device.enroll(line.code(firm.invite("lin")))"""

    def __init__(self, port):
        self.to = port
        self.up = 0
        self.down = 0
        self.cut_up = None    # bytes from now on after which the line is cut; None: never
        self.cut_down = None
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def code(self, invitation):
        """The invitation, by way of this line."""
        head, _, ca, secret = invitation.split(",")
        return ",".join((head, f"127.0.0.1:{self.port}", ca, secret))

    def cut_after(self, up=None, down=None):
        with self.lock:
            self.up = self.down = 0
            self.cut_up, self.cut_down = up, down

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            for pair in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _room(self, way, size):
        """How many of `size` bytes may still pass."""
        with self.lock:
            limit = self.cut_up if way == "up" else self.cut_down
            gone = self.up if way == "up" else self.down
            passing = size if limit is None else max(0, min(size, limit - gone))
            setattr(self, way, gone + passing)
            return passing

    def _pass(self, source, target, way):
        try:
            while data := source.recv(16384):
                room = self._room(way, len(data))
                target.sendall(data[:room])
                if room < len(data):
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
