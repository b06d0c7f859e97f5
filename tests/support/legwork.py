"""Harness of the end-to-end tests: a firm with its server, devices, and commands as a person types them.

    with Firm() as firm:
        firm.user("lin", "rep")
        lin = firm.device("lin")
        lin.run("new", "customer", "name=Tea House")
        print(lin.sync())

Everything lives in one temporary folder that goes when the firm closes; a failing test prints the
server's last log lines and leaves the folder if LEGWORK_KEEP is set. Only 127.0.0.1, free ports."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LEGWORK_BUILD", ROOT / "build" / "dev")).resolve()
LEGWORK = BUILD / "legwork"
LEGWORKD = BUILD / "legworkd"
COMMAND_SECONDS = 120
PASSWORD = "correct horse battery staple"


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith("LEGWORK_")}
    env.update(LEGWORK_LANG="en", LC_ALL="C.UTF-8", TZ="Asia/Shanghai")
    env.update({k: v for k, v in more.items() if v is not None})
    return env


def skip(reason):
    """For what this machine can't do."""
    print(f"skipped: {reason}")
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Failed(AssertionError):
    pass


def check(holds, what):
    if not holds:
        raise Failed(what)


def equal(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}\n   got:    {got!r}\n   wanted: {wanted!r}")


class Result:
    """What a command printed, and how it ended."""

    def __init__(self, args, done):
        self.args = args
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise Failed(f"not JSON\n{self}") from None

    def __str__(self):
        words = " ".join(str(a) for a in self.args)
        return f"$ {words}\n   exit {self.code}\n   stdout: {self.out}\n   stderr: {self.err}"


def run(args, env=None, expect=0, timeout=COMMAND_SECONDS, prefix=(), text_input=None, limits=None):
    """Runs a command. `expect`: the exit status wanted, a tuple of them, or None for any."""
    args = [*map(str, prefix), *map(str, args)]
    done = subprocess.run(args, env=env or environment(), check=False, capture_output=True, text=True,
                          timeout=timeout, input=text_input, encoding="utf-8", errors="replace",
                          stdin=subprocess.DEVNULL if text_input is None else None,
                          preexec_fn=limits)
    result = Result(args, done)
    wanted = expect if isinstance(expect, tuple) else (expect,)
    if expect is not None and result.code not in wanted:
        raise Failed(f"exit status {wanted} expected\n{result}")
    return result


class Device:
    """One replica: a home folder, and `legwork` typed at it."""

    def __init__(self, firm, name):
        self.firm = firm
        self.name = name
        self.home = firm.dir / name
        self.prefix = () # e.g. ("faketime", "+1y")

    @property
    def replica(self):
        return self.home / "replica.db"

    def run(self, *args, expect=0, **options):
        options.setdefault("prefix", self.prefix)
        return run([LEGWORK, "--home", self.home, *args], expect=expect, **options)

    def json(self, *args, expect=0, **options):
        return self.run("--json", *args, expect=expect, **options).json()

    def enroll(self, code, expect=0):
        return self.run("enroll", code, expect=expect)

    def sync(self, expect=0):
        return self.json("sync", expect=expect)

    def sql(self, text):
        return self.json("sql", text)

    def new(self, table, **fields):
        """A row; gives it as the command prints it."""
        return self.json("new", table, *(f"{k}={v}" for k, v in fields.items()))

    def set(self, table, row, expect=0, **fields):
        return self.run("set", table, row, *(f"{k}={v}" for k, v in fields.items()), expect=expect)

    def start(self, *args):
        """A command that goes on by itself; the caller waits for it or kills it."""
        return subprocess.Popen([*self.prefix, LEGWORK, "--home", self.home, *args],
                                env=environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def healthy(self):
        """SQLite and the program itself find nothing wrong with the file."""
        out = run(["sqlite3", self.replica, "PRAGMA integrity_check"]).out.strip()
        equal(out, "ok", f"integrity_check of {self.name}")


class Firm:
    """A store and, once started, its server."""

    def __init__(self, company="Harbour Foods", currency="CNY", timezone="Asia/Shanghai",
                 host="127.0.0.1", prefix=(), port=None):
        """`host`, `prefix`, `port`: where the server listens, and how it is run there (netns.py)."""
        for program in (LEGWORK, LEGWORKD):
            check(program.exists(), f"{program} isn't built; set LEGWORK_BUILD")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="legwork-"))
        self.data = self.dir / "server"
        self.log = self.dir / "server.log"
        self.host = host
        self.prefix = prefix
        self.port = port or free_port()
        self.metrics_port = None
        self.process = None
        self.options = [] # more words for `serve`
        password = self.dir / "password"
        password.write_text(PASSWORD + "\n")
        try:
            self.admin("init", "--company", company, "--currency", currency, "--timezone", timezone,
                       "--host", host, "--admin", "root", "--password-file", password)
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.kill()
        if kind is not None and self.log.exists():
            lines = self.log.read_text(errors="replace").splitlines()[-40:]
            print("-- the server's last lines\n" + "\n".join(lines))
        if kind is not None and os.environ.get("LEGWORK_KEEP"):
            print(f"-- kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def admin(self, *args, expect=0, **options):
        return run([LEGWORKD, "--data", self.data, *args], expect=expect, **options)

    def query(self, sql):
        return self.admin("query", "--format", "json", sql).json()

    def report(self, name, *args):
        return self.admin("query", "--report", name, "--format", "json", *args).json()

    def user(self, login, role, name=None, manager=None, team=None):
        more = (["--manager", manager] if manager else []) + (["--team", team] if team else [])
        self.admin("user", "add", login, "--name", name or login.capitalize(), "--role", role, *more)

    def invite(self, login):
        out = self.admin("invite", login, "--port", self.port).out
        m = re.search(r"lw1,\S+", out)
        check(m, f"no invitation in {out!r}")
        return m[0]

    def here(self, code):
        """Another firm's invitation, pointing at this server."""
        head, address, ca, secret = code.split(",")
        return ",".join((head, f"{self.host}:{self.port}", ca, secret))

    def device(self, login, name=None):
        device = Device(self, name or login)
        device.enroll(self.invite(login))
        return device

    def start(self, stderr=None):
        """Starts the server on this firm's port, and waits until it says that it listens. `stderr`: where its
        log goes, instead of to the file with its output."""
        check(self.process is None, "the server runs already")
        begin = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, LEGWORKD, "--data", self.data, "serve", "--listen",
                 f"{self.host}:{self.port}", "--metrics", "127.0.0.1:0", *self.options],
                env=environment(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log if stderr is None else stderr)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            said = self.log.read_bytes()[begin:].decode(errors="replace")
            if re.search(r"listening on https://\S+", said):
                m = re.search(r"metrics (?:on|at) http://[\d.]+:(\d+)", said)
                self.metrics_port = int(m[1]) if m else None
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise Failed("the server didn't start:\n" + self.log.read_text(errors="replace")[-4000:])

    def stop(self, seconds=15):
        """SIGTERM, as an operator would; fails if it takes longer than it may."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            equal(process.wait(seconds), 0, "exit status of the server after SIGTERM")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failed(f"the server didn't end within {seconds} s") from None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def healthy(self):
        out = run(["sqlite3", self.data / "store.db", "PRAGMA integrity_check"]).out.strip()
        equal(out, "ok", "integrity_check of the store")
        self.admin("verify")


def main(tests):
    """Runs every function test_* of the caller's globals, or those named on the command line."""
    wanted = sys.argv[1:]
    failed = []
    for name, function in tests.items():
        if not name.startswith("test_") or not callable(function) or (wanted and name not in wanted):
            continue
        start = time.monotonic()
        try:
            function()
            print(f"ok      {name}  {time.monotonic() - start:.1f} s", flush=True)
        except Failed as e:
            failed.append(name)
            where = traceback.extract_tb(e.__traceback__)
            lines = [f"{f.filename}:{f.lineno}" for f in where if f.filename.endswith(".py")]
            print(f"FAILED  {name}\n{e}\n   at " + " < ".join(reversed(lines)), flush=True)
        except (OSError, subprocess.SubprocessError, KeyError, IndexError, TypeError, ValueError):
            failed.append(name)
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(failed)} failed: {', '.join(failed)}" if failed else "all passed")
    sys.exit(1 if failed else 0)
