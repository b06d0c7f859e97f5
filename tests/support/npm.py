"""Packages of tests/package.json in a folder of the build: `folder()` installs them once, by the lock
file, and exits 77 (a skip) where this machine has no npm or can't reach its registry."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent
NO_NETWORK = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH",
              "EHOSTUNREACH", "ENOTCACHED",
              "SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY")  # a proxy npm doesn't trust


def skip(why):
    print(f"skipped: {why}")
    sys.exit(77)


def folder():
    """The folder whose node_modules holds the packages."""
    if not shutil.which("npm") or not shutil.which("node"):
        skip("npm and node are needed")
    build = pathlib.Path(os.environ.get("LEGWORK_BUILD", TESTS.parent / "build/dev")) / "npm"
    build.mkdir(parents=True, exist_ok=True)
    with open(build / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        install(build)
    return build


def install(build):
    wanted = hashlib.sha256((TESTS / "package-lock.json").read_bytes()).hexdigest()
    stamp = build / "installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for name in ("package.json", "package-lock.json"):
        shutil.copy(TESTS / name, build / name)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit",
                           "--no-fund"], cwd=build, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        if any(word in done.stderr for word in NO_NETWORK):
            skip("npm can't reach its registry")
        sys.exit(f"npm ci failed:\n{done.stderr}")
    stamp.write_text(wanted)


def run(script, *arguments):
    """Runs a module that stands beside the tests as if it stood beside node_modules."""
    build = folder()
    script = pathlib.Path(script)
    copies = [shutil.copy(path, build) for path in script.parent.glob("*.mjs")]
    assert copies
    return subprocess.run(["node", str(build / script.name), *map(str, arguments)],
                          timeout=300).returncode
