"""The programs that this starts, and that end with it however it ends."""

import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LIBC = ctypes.CDLL(None)


def adopt():
    """Makes this process the parent of orphans: a deployed service outlives who started it."""
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)


def tied():
    """Between fork and exec: whatever kills this process kills the new one too."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


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
    raise SystemExit(f"{command} does not listen on port {port}: {pathlib.Path(log).read_text()}")


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
    """Ends all of them; those that were asked in vain are killed."""
    until = time.monotonic() + seconds
    asked = set()
    while left := descendants():
        late = time.monotonic() > until
        for pid in left if late else left - asked:
            asked.add(pid)
            try:
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
            except ProcessLookupError:
                pass
        if late and time.monotonic() > until + seconds:
            print(f"these processes do not end: {sorted(left)}")
            return
        time.sleep(0.05)
