"""A relay on 127.0.0.1 that can go silent: it keeps its connections open and lets nothing through any
more, as a line does that died without a word."""
import socket
import threading


class SilentRelay:
    """`after_down`, `after_up`: how many bytes of a connection pass; None: all. What is set holds for the
    connections made from then on, at most `times` of them; silence() is for those that are open."""

    def __init__(self, target):
        self.target = target
        self.after_down = self.after_up = None
        self.times = 0
        self.up = self.down = self.connections = 0
        self.silenced = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()
        self.silence()

    def silence(self):
        with self.lock:
            for held in self.silenced:
                held.set()

    def go_silent(self, down=None, up=None, times=1):
        with self.lock:
            self.after_down, self.after_up, self.times = down, up, times

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            with self.lock:
                self.connections += 1
                limits = (self.after_up, self.after_down) if self.times > 0 else (None, None)
                self.times -= 1
                held = threading.Event()
                self.silenced.append(held)
            for source, to, name, limit in ((near, far, "up", limits[0]), (far, near, "down", limits[1])):
                threading.Thread(target=self._pump, args=(source, to, name, limit, held), daemon=True).start()

    def _pump(self, source, to, name, limit, held):
        passed = 0
        try:
            while data := source.recv(1 << 14):
                if limit is not None and passed + len(data) > limit:
                    data = data[:limit - passed]
                    to.sendall(data)
                    held.set()
                if held.is_set():
                    while source.recv(1 << 14):  # taken and never passed on
                        pass
                    return
                passed += len(data)
                with self.lock:
                    setattr(self, name, getattr(self, name) + len(data))
                to.sendall(data)
        except OSError:
            pass
        finally:
            if not held.is_set():
                for s in (source, to):
                    try:
                        s.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
