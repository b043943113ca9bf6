"""peers: the programs that are measured, and the processes they become."""
import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAMPLE_SECONDS_MAX = 300
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A program did not do what it should."""


class TimedOut(Failed):
    """A program did not end."""


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0].strip()
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def _die_with_us():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Peer:
    """One program that can be measured. `servers`: what it serves for the load client;
    `variables`: of its environment."""

    def __init__(self, name, title, binary, version, servers=(), variables=None):
        self.name, self.title, self.binary, self.version = name, title, binary, version
        self.servers = set(servers)
        self.variables = variables or {}
        self._rows = None

    def has(self, task):
        if task.peers and self.name not in task.peers:
            return False
        if task.kind != "row":
            return task.run in self.servers
        if self._rows is None:
            self._rows = set()
            if self.name not in ("epoll", "io_uring", "weft_uring"):
                done = subprocess.run([self.binary, "rows"], capture_output=True, text=True,
                                      check=True)
                self._rows = set(done.stdout.split())
        return task.run in self._rows


def environment(processors, variables=None):
    return dict(os.environ, WEFT_MAXPROCS=str(processors), GOMAXPROCS=str(processors),
                **(variables or {}))


def start(command, processors, variables=None, **more):
    """A process that does not outlive us, whatever we die of."""
    return subprocess.Popen(command, env=environment(processors, variables), text=True,
                            stdout=subprocess.PIPE, preexec_fn=_die_with_us, **more)


def run(command, processors, seconds_max=SAMPLE_SECONDS_MAX, variables=None):
    """The figures one process prints: {name: (value, unit)}."""
    shown = " ".join(command)
    with start(command, processors, variables, stderr=subprocess.PIPE) as process:
        try:
            said, complaint = process.communicate(timeout=seconds_max)
        except subprocess.TimeoutExpired:
            raise TimedOut(f"{shown}: no end after {seconds_max:g} s") from None
        finally:
            process.kill()
    if process.returncode != 0:
        raise Failed(f"{shown}: ended with {process.returncode}\n{complaint.strip()}")
    figures = {}
    for line in said.splitlines():
        fields = line.split()
        if len(fields) == 3:
            figures[fields[0]] = (float(fields[1]), fields[2])
    if not figures:
        raise Failed(f"{shown}: printed no figure")
    return figures


def run_row(peer, task, processors, effort, n=None):
    command = [peer.binary, task.run]
    count = task.n if n is None else n
    if count:
        command.append(f"n={count}")
    if effort != 1:
        command.append(f"effort={effort}")
    return run(command, processors, variables=peer.variables)


@contextlib.contextmanager
def serving(peer, task, processors, before=()):
    """A server process and the port it listens on; `before` are words in front of its command."""
    with start([*before, peer.binary, task.run,
                *([] if peer.name in _no_address else ["127.0.0.1:0"])], processors,
               peer.variables) as server:
        try:
            said = server.stdout.readline()
            found = re.search(r":(\d+)\s*$", said)
            if not found:
                raise Failed(f"{peer.binary} {task.run}: does not say where it listens")
            yield server, found.group(1)
        finally:
            server.kill()


def run_server(peer, task, processors, load, seconds, n=None):
    """A server process and the load client beside it. A thread or process for each connection gets
    all processors: it has no number of its own."""
    count = task.n if n is None else n
    with serving(peer, task, processors) as (server, port):
        if task.kind == "idle":
            return run([load, "idle", port, str(count), str(server.pid)], processors)
        return run([load, "busy", port, str(count), str(seconds), str(server.pid)], processors)


_no_address = {"epoll", "io_uring", "threads", "processes"}

PEERS = ["weft", "Go", "tokio", "Boost", "threads", "processes", "epoll", "io_uring",
         "weft_uring"]


def find(build, wanted):
    """The peers that are there, and of the others why not: ([Peer], {name: reason})."""
    there, missing = [], {}
    out = os.path.join(os.path.abspath(build), "bench")  # Go builds in its own directory

    def binary(name):
        return os.path.join(out, f"weft-bench{name}")

    compiler = first_line([binary(""), "build"])
    for name in PEERS:
        if name not in wanted:
            continue
        if name == "weft":
            there.append(Peer(name, "weft", binary(""), compiler, ["echo", "echo_lent"]))
        elif name == "weft_uring":
            variables = {"WEFT_POLLER": "io_uring"}
            if _uring_disabled():
                missing[name] = "kernel.io_uring_disabled: this kernel does not let us"
            else:
                there.append(Peer(name, "weft over io_uring", binary(""), compiler,
                                  ["echo", "echo_lent"], variables))
        elif name == "Go":
            path, reason = _build_go(binary("-go"))
            if path:
                there.append(Peer(name, "Go", path, first_line(["go", "version"]), ["echo"]))
            else:
                missing[name] = reason
        elif name == "tokio":
            path, reason = _build_tokio(out)
            if path:
                there.append(Peer(name, "tokio", path,
                                  f"{first_line([path, 'version'])}, {first_line(['rustc', '--version'])}",
                                  ["echo", "echo_lent"]))
            else:
                missing[name] = reason
        elif name == "Boost":
            if os.path.exists(binary("-boost")):
                there.append(Peer(name, "Boost.Fiber", binary("-boost"),
                                  first_line([binary("-boost"), "version"])))
            else:
                missing[name] = "Boost.Fiber was not there when the tree was configured"
        elif name == "io_uring":
            path = binary("-uring")
            if not os.path.exists(path):
                missing[name] = "liburing was not there when the tree was configured"
            elif subprocess.run([path, "probe"], capture_output=True).returncode != 0:
                missing[name] = "this kernel does not let us"
            else:
                there.append(Peer(name, "io_uring loop", path, "multishot, one thread", ["echo"]))
        else:
            titles = {"threads": "POSIX threads", "processes": "processes", "epoll": "epoll loop"}
            versions = {"threads": "64 KiB stacks", "processes": "fork", "epoll": "one thread"}
            there.append(Peer(name, titles[name], binary(f"-{name}"), versions[name], ["echo"]))
    return there, missing


def _uring_disabled():
    try:
        with open("/proc/sys/kernel/io_uring_disabled", encoding="ascii") as state:
            return state.read().strip() != "0"
    except OSError:  # older than the switch
        return False


def _quietly(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **more)
    if done.returncode == 0:
        return None
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"status {done.returncode}"


def _build_go(binary):
    if not shutil.which("go"):
        return None, "no go command"
    print("building the Go side", file=sys.stderr, flush=True)
    wrong = _quietly(["go", "build", "-o", binary, "."], cwd=os.path.join(BENCH, "go"),
                     env=dict(os.environ, GOFLAGS="-mod=mod", GOTOOLCHAIN="local"))
    return (None, f"go build: {wrong}") if wrong else (binary, "")


def _build_tokio(out):
    """Built outside of the tree: the lock file that cargo writes is this machine's."""
    if not shutil.which("cargo"):
        return None, "no cargo command"
    home = os.path.join(out, "tokio")
    os.makedirs(home, exist_ok=True)
    shutil.copytree(os.path.join(BENCH, "tokio"), home, dirs_exist_ok=True)
    print("building the tokio side (the first time takes minutes)", file=sys.stderr, flush=True)
    wrong = _quietly(
        ["cargo", "build", "--release", "--quiet"], cwd=home,
        env=dict(os.environ, CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS="fallback"))
    if wrong:
        return None, f"cargo build: {wrong}"
    return os.path.join(home, "target", "release", "weft-bench-tokio"), ""
