"""quiet: the system calls of a server that was busy for a second, has had time to give back what it
no longer needs, and that nobody asks for anything any more.

strace counts them from the start, since to attach it later would wake what sleeps. Where it may not
trace, each time that a thread of the server slept and was woken counts as one call: calls that did
not wait are then missed."""
import functools
import os
import re
import subprocess
import tempfile
import time

from harness import peers as peers_module

WINDOW_SECONDS = 10
SETTLE_SECONDS = 8  # what nobody has needed for a second is given back, threads after five
BUSY_SECONDS = 1
SAMPLE_SECONDS = WINDOW_SECONDS + SETTLE_SECONDS + BUSY_SECONDS + 1
LAST_WORDS_SECONDS = 10
TRACER = ["strace", "-D", "-f", "-qq", "-ttt", "-s", "0", "-o"]  # -D: the server is our own child


@functools.cache
def traces():
    """Whether strace is there, and may."""
    try:
        return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True,
                              timeout=LAST_WORDS_SECONDS).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def how():
    return "strace" if traces() else "voluntary context switches (no strace)"


def calls_within(trace, begin, end):
    """Calls that begin in a window, in what strace wrote; times in seconds since 1970."""
    begun = re.finditer(r"^(?:\d+ +)?(\d+\.\d+) \w+\(", trace, re.MULTILINE)
    return sum(begin <= float(found.group(1)) < end for found in begun)


def switches(pid):
    """{thread: how often it slept and was woken}."""
    found = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as file:
                said = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", file.read(), re.MULTILINE)
        except OSError:
            continue  # it has just ended
        found[thread] = int(said.group(1))
    return found


def window(port, load, task, pid, processors):
    """Busy, then quiet: when the window began and ended, and how many switches lay in it."""
    peers_module.run([load, "busy", port, str(task.n), str(BUSY_SECONDS), str(pid)], processors)
    time.sleep(SETTLE_SECONDS)
    before, begin = switches(pid), time.time()
    time.sleep(WINDOW_SECONDS)
    end, after = time.time(), switches(pid)
    return begin, end, sum(count - before.get(thread, 0) for thread, count in after.items())


def whole_trace(path):
    """What strace wrote, once it has: it lives a little longer than the server."""
    until = time.monotonic() + LAST_WORDS_SECONDS
    while True:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        if "+++ killed by SIGKILL" in text:
            return text
        if time.monotonic() > until:
            raise peers_module.Failed("strace did not see the end of what it traced")
        time.sleep(0.05)


def run(peer, task, processors, load):
    """One figure, quiet_calls. No effort makes the window shorter: what comes every few seconds would
    then be missed."""
    if not traces():
        with peers_module.serving(peer, task, processors) as (server, port):
            calls = window(port, load, task, server.pid, processors)[2]
    else:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "trace")
            with peers_module.serving(peer, task, processors, [*TRACER, path]) as (server, port):
                begin, end, _ = window(port, load, task, server.pid, processors)
            calls = calls_within(whole_trace(path), begin, end)
    return {"quiet_calls": (calls, "calls")}
