"""Two machines on one: a network namespace for the server and one for the devices, joined by a cable that
loses packets at random, or lets none through in a direction. The kernel's own TCP copes with it.

    with Net() as net:
        firm = firm_with_reps(host=net.server_address, prefix=net.at_server, port=7443)
        net.rule(up="30", down="30")     a percentage of what arrives is dropped, each way
        net.rule(up="all")               nothing reaches the server any more
        net.rule()                       healed

Packets are dropped where they arrive, so that the sender can't know. The addresses exist inside the
namespaces alone; names carry the process id, so that tests may run side by side, and what a killed test
left behind is removed by the next one. Needs root, iproute2, nftables; else the test is skipped."""
import atexit
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from legwork import Failed, skip

SERVER, DEVICES = "10.87.0.1", "10.87.0.2"
PREFIX = "legwork-"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
RULES = """table inet lossy
delete table inet lossy
table inet lossy {{
    chain arrives {{
        type filter hook input priority 0
        iifname "cable" {what}
    }}
}}
"""


def call(args, text=None):
    done = subprocess.run(args, input=text, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode != 0:
        raise Failed(f"$ {' '.join(args)}\n   exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def what_is_missing():
    """None, or why this machine can't do it."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program, path=PATH) is None:
            return f"`{program}` isn't installed (package {package})"
    return None


def remove_abandoned():
    """Of tests that were killed; a namespace's name says whose it is."""
    for line in call(["ip", "netns", "list"]).splitlines():
        m = re.match(PREFIX + r"(\d+)-", line)
        if m and not pathlib.Path("/proc", m[1]).exists():
            subprocess.run(["ip", "netns", "del", line.split()[0]], check=False, capture_output=True)


class Net:
    server_address = SERVER

    def __init__(self):
        missing = what_is_missing()
        if missing:
            skip(missing)
        os.environ["PATH"] = PATH
        self.server, self.devices = (f"{PREFIX}{os.getpid()}-{side}" for side in ("server", "devices"))
        self.at_server = ("ip", "netns", "exec", self.server)
        self.at_devices = ("ip", "netns", "exec", self.devices)
        atexit.register(self.remove)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)) # ends by way of `with`
        try:
            remove_abandoned()
            self.make()
            self.rule(up="50", down="50")
            self.rule()
        except Failed as e: # the same calls work or fail with a machine, not with our code
            self.remove()
            skip(f"this machine doesn't let a test make namespaces with nftables rules: {e}")

    def make(self):
        for name in (self.server, self.devices):
            call(["ip", "netns", "add", name])
        call(["ip", "-n", self.server, "link", "add", "cable", "type", "veth", "peer", "name", "cable",
              "netns", self.devices])
        for name, address in ((self.server, SERVER), (self.devices, DEVICES)):
            call(["ip", "-n", name, "address", "add", f"{address}/24", "dev", "cable"])
            for link in ("lo", "cable"):
                call(["ip", "-n", name, "link", "set", link, "up"])

    def rule(self, up="0", down="0"):
        """Takes the place of the rule before, at once; begins to count anew."""
        for name, share in ((self.server, up), (self.devices, down)):
            what = "counter drop" if share == "all" else f"numgen random mod 100 < {share} counter drop"
            call(["ip", "netns", "exec", name, "nft", "-f", "-"],
                 RULES.format(what="counter accept" if share == "0" else what))

    def dropped(self):
        """Packets since the last rule, up and down."""
        said = (call(["ip", "netns", "exec", name, "nft", "list", "table", "inet", "lossy"])
                for name in (self.server, self.devices))
        return tuple(int(m[1]) if (m := re.search(r"packets (\d+) bytes \d+ drop", text)) else 0
                     for text in said)

    def remove(self):
        for name in (self.server, self.devices):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.remove()
