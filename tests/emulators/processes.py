"""The programs that this starts, and that end with it however it ends."""

import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
LIBC = ctypes.CDLL(None)
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def adopt():
    """Makes this process the parent of orphans, as a deployed service outlives who started it,
    and every signal to end an exception, so that they are ended first."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in ENDING:
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def tied():
    """Between fork and exec: whatever kills this process kills the new one too."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def loopback():
    """Makes sure that the loopback interface is up: in a network of its own it is not yet."""
    with socket.socket() as probe:
        flags = fcntl.ioctl(probe, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        (known,) = struct.unpack_from("H", flags, 16)
        if not known & IFF_UP:
            fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", known | IFF_UP))


def free_port():
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command, log, port, environment, seconds=60):
    """Starts a server and waits until it takes connections; its output goes to the file `log`."""
    with open(log, "w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, preexec_fn=tied
        )
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{command} does not listen on port {port}: {pathlib.Path(log).read_text()}")


def ask(announced):
    """Asks the proxy how it is, as a stack does: one that nobody asks for anything ends."""
    while True:
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(announced.read_text())
            request = urllib.request.Request(
                f"{known['url']}/v1/health", headers={"Authorization": f"Bearer {known['token']}"}
            )
            urllib.request.urlopen(request, timeout=5).close()
        time.sleep(5)


def start_proxy(pactctl, folder, environment, seconds=60):
    """Starts the reverse proxy that services are served behind; returns the file that says how it
    is reached."""
    announced = folder / "host.json"
    folder.mkdir()
    with open(folder / "proxy.log", "w") as output:
        process = subprocess.Popen(
            [str(pactctl), "proxy", str(folder)],
            stdout=output,
            stderr=output,
            env=environment,
            preexec_fn=tied,
        )
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if announced.exists():
            threading.Thread(target=ask, args=(announced,), daemon=True).start()
            return announced
        time.sleep(0.05)
    raise RuntimeError(f"the proxy is not up: {(folder / 'proxy.log').read_text()}")


def parents():
    """Parent of each living process."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold anything: what counts comes after it.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(stat.parent.name)] = int(parent)
    return found


def descendants():
    """Every process that descends from this one."""
    known, mine = parents(), {os.getpid()}
    while more := {pid for pid, parent in known.items() if parent in mine} - mine:
        mine |= more
    return mine - {os.getpid()}


def end_all(seconds=5):
    """Ends all of them, undisturbed; those that were asked in vain are killed."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    until = time.monotonic() + seconds
    asked = set()
    while left := descendants():
        late = time.monotonic() > until
        for pid in left if late else left - asked:
            asked.add(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        if late and time.monotonic() > until + seconds:
            print(f"these processes do not end: {sorted(left)}")
            return
        time.sleep(0.05)
    # Those that have ended are taken note of, so that nothing of them is left.
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
