"""rows: what ./dev bench asks. Each row is one figure of one process: a row of the programs
(bench/row.h), or a server with the load client beside it."""
from dataclasses import dataclass, field
import difflib
import fnmatch


@dataclass(frozen=True)
class Task:
    """What one process does: all rows of a task come out of the same sample."""
    kind: str  # "row": a row of the program; "echo", "idle", "quiet": a server, and the load client
    run: str  # the program's name for it
    n: int = 0  # goroutines, threads, connections; 0: the program's own number
    peers: tuple = ()  # whom it is asked of; empty: whoever has it


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    unit: str
    task: Task
    figure: str  # the line of the program's output
    at_most: tuple = ()  # what weft must not exceed: with 1 processor, with 2
    processors: tuple = (1, 2)
    more_is_better: bool = False
    scale: tuple = ()  # n at 1x, 10x, 100x, for ./dev bench scale
    total: bool = False  # the figure is a total that grows with n, not a cost of one operation


@dataclass(frozen=True)
class Ratio:
    """One row over another, round by round; of the same program, or over another's."""
    name: str
    title: str
    over: str  # a row
    under: str  # a row
    under_peer: str = ""  # whose; empty: the same
    at_most: tuple = ()
    at_least: tuple = ()
    unit: str = field(default="x", init=False)

    @property
    def more_is_better(self):
        return bool(self.at_least)


def program(name, title, unit, run="", figure="", n=0, peers=(), **more):
    run = run or name
    return Row(name, title, unit, Task("row", run, n, peers), figure or run, **more)


def _echo(connections):
    task = Task("echo", "echo", connections)
    of = f"echo, {connections:,} connections"
    return [
        Row(f"echo_{connections}_rate", f"{of}, messages a second", "msg/s", task, "echo_rate",
            more_is_better=True),
        Row(f"echo_{connections}_cpu", f"{of}, CPU a message", "us", task, "echo_cpu",
            scale=(10, 100, 1000) if connections == 1000 else ()),
    ]


def _idle(name, title, server, most):
    return Row(name, title, "B", Task("idle", server, 9000), "idle_bytes", (most, most),
               processors=(2,), scale=(90, 900, 9000))


def _beside(name, title, unit, most, run="", processors=(1,)):
    """A row of what goes on beside goroutines that block or compute: of weft and Go alone."""
    return program(name, title, unit, run, name, peers=("weft", "Go"), at_most=(most, most),
                   processors=processors)


BESIDE = [
    _beside("beside_spin_worst", "sleep of 1 ms beside a goroutine that spins 2 s, worst excess",
            "ms", 12, "beside_spin"),
    _beside("beside_spin_mean", "sleep of 1 ms beside a goroutine that spins 2 s, mean excess",
            "ms", 0.3, "beside_spin"),
    _beside("blocked_total", "200 goroutines, 10 blocking C calls of 50 ms each, total", "ms", 540,
            "blocked"),
    _beside("blocked_tick_worst", "200 goroutines in such calls, worst delay of a tick each ms",
            "ms", 3, "blocked"),
    _beside("blocking_call", "call marked as blocking, nobody waits, over a plain one", "ns", 5),
    _beside("sleep_50us", "sleep of 50 us, nothing else to do, median", "us", 80,
            processors=(1, 2)),
    _beside("dial_beside_spin", "dial over loopback, a goroutine computes on each processor", "ms",
            1, processors=(1, 2)),
    Row("quiet_calls", "system calls in 10 s of a server that nobody asks", "calls",
        Task("quiet", "echo", 64, ("weft", "Go")), "quiet_calls", (0, 0), processors=(2,)),
]

ROWS = [
    program("yield", "yield, 2 goroutines", "ns", at_most=(12, 12), scale=(2, 20, 200)),
    program("spawn_join", "spawn and join, batches of 1,000", "ns", at_most=(25, 25),
            scale=(1000, 10_000, 100_000)),
    program("spawn_1m", "spawn 1M at once and join, each", "ns", at_most=(110, 110),
            scale=(10_000, 100_000, 1_000_000)),
    program("channel_unbuffered", "unbuffered channel, one way", "ns", at_most=(35, 35),
            scale=(1, 10, 100)),
    program("channel_128", "buffered channel (128), an item", "ns", at_most=(18, 18),
            scale=(1, 10, 100)),
    program("channel_many", "unbuffered channel, 8 senders to 1", "ns", scale=(8, 80, 800)),
    program("channel_many_128", "buffered channel (128), 8 senders to 1", "ns",
            scale=(8, 80, 800)),
    program("select_ready_2", "select of 2, one ready, send included", "ns", at_most=(28, 28),
            scale=(1, 10, 100)),
    program("select_ready_4", "select of 4, one ready, send included", "ns", at_most=(34, 34),
            scale=(1, 10, 100)),
    program("select_blocking_2", "select of 2, blocking", "ns", at_most=(90, 90),
            scale=(1, 10, 100)),
    program("select_blocking_4", "select of 4, blocking", "ns", at_most=(120, 120),
            scale=(1, 10, 100)),
    program("select_stop_private", "select, 1,000 goroutines, a stop context each", "ns",
            scale=(1000, 10_000, 100_000)),
    program("select_stop_shared", "select, 1,000 goroutines, one stop context", "ns",
            scale=(1000, 10_000, 100_000)),
    program("mutex_1", "mutex, uncontended, lock and unlock", "ns", "mutex", n=1,
            at_most=(13, 13)),
    program("mutex_8", "mutex, 8 contenders", "ns", "mutex", n=8, at_most=(14, 21),
            scale=(8, 80, 800)),
    program("rwmutex_read_1", "rwmutex, 1 reader, lock and unlock", "ns", "rwmutex_read", n=1),
    program("rwmutex_read_8", "rwmutex, 8 readers, lock and unlock", "ns", "rwmutex_read", n=8,
            scale=(8, 80, 800)),
    program("skynet", "skynet, 1M leaves", "ms", at_most=(100, 100),
            scale=(10_000, 100_000, 1_000_000), total=True),
    program("parked_bytes", "parked goroutine, 1M, resident bytes", "B", "crowd", "parked_bytes",
            at_most=(4700, 4700), scale=(10_000, 100_000, 1_000_000)),
    program("wake", "wake 1M parked, each, to its end", "ns", "crowd", "wake",
            at_most=(220, 220), scale=(10_000, 100_000, 1_000_000)),
    program("spike_left", "memory 5 s after a spike of 1M, of before", "%", "spike",
            "spike_left", at_most=(110, 110), processors=(2,)),
    program("sleepers_1m", "1M sleepers of 1 s, total", "s", "sleepers", at_most=(2.4, 2.4)),
    program("sleepers_1m_cpu", "1M sleepers of 1 s, CPU", "s", "sleepers", "sleepers_cpu",
            at_most=(2.0, 2.0), scale=(10_000, 100_000, 1_000_000), total=True),
    program("timer_start_stop", "timer, start and stop", "ns", at_most=(40, 40),
            scale=(1, 10, 100)),
    program("c_call", "C call from a goroutine, over a plain one", "ns", at_most=(0.5, 0.5),
            peers=("weft", "Go")),
    *_echo(64),
    *_echo(1000),
    _idle("idle_stack", "idle connection of 9,000, 4 KiB buffer on the stack", "echo", 9300),
    _idle("idle_lent", "idle connection of 9,000, lent buffer", "echo_lent", 5000),
    *BESIDE,
]

RATIOS = [
    Ratio("channel_many_ratio", "unbuffered channel, 8 senders to 1, over 1 to 1", "channel_many",
          "channel_unbuffered", at_most=(8, 8)),
    Ratio("channel_many_128_ratio", "buffered channel, 8 senders to 1, over 1 to 1",
          "channel_many_128", "channel_128", at_most=(8, 8)),
    Ratio("select_stop_ratio", "one shared stop context over private ones",
          "select_stop_shared", "select_stop_private", at_most=(1.5, 1.5)),
    Ratio("rwmutex_read_ratio", "rwmutex, 8 readers over 1", "rwmutex_read_8", "rwmutex_read_1",
          at_most=(1.1, 1.1)),
    *[Ratio(f"echo_{n}_cpu_ratio", f"echo, {n:,} connections, CPU over a raw epoll loop's",
            f"echo_{n}_cpu", f"echo_{n}_cpu", "epoll", at_most=(1.0, 1.0)) for n in (64, 1000)],
    *[Ratio(f"echo_{n}_rate_ratio", f"echo, {n:,} connections, messages over a raw epoll loop's",
            f"echo_{n}_rate", f"echo_{n}_rate", "epoll", at_least=(1.0, 1.0)) for n in (64, 1000)],
]

# Groups that may be asked for by one name.
GROUPS = {
    "echo": [row.name for row in ROWS if row.task.kind == "echo"],
    "idle": [row.name for row in ROWS if row.task.kind == "idle"],
    "select": [row.name for row in ROWS if row.name.startswith("select_")],
    "channel": [row.name for row in ROWS if row.name.startswith("channel_")],
    "nothing-blocks": ["c_call", *(row.name for row in BESIDE)],
}

BY_NAME = {row.name: row for row in ROWS}
RATIO_BY_NAME = {ratio.name: ratio for ratio in RATIOS}


class UnknownRow(Exception):
    pass


def chosen(words):
    """The rows that the words name: names, groups, patterns with *, or ratios (their two rows)."""
    if not words:
        return list(ROWS)
    names = set()
    for word in words:
        if word in GROUPS:
            names.update(GROUPS[word])
        elif word in RATIO_BY_NAME:
            names.update((RATIO_BY_NAME[word].over, RATIO_BY_NAME[word].under))
        else:
            found = fnmatch.filter(BY_NAME, word)
            if not found:
                near = difflib.get_close_matches(
                    word, [*BY_NAME, *GROUPS, *RATIO_BY_NAME], n=3, cutoff=0.5)
                hint = f"; is it {' or '.join(near)}?" if near else ""
                raise UnknownRow(f"no row is called '{word}'{hint} (./dev bench --list names all)")
            names.update(found)
    return [row for row in ROWS if row.name in names]


def askable(rows, peers):
    """Those of some peers of whom one of the rows is asked."""
    return [peer for peer in peers
            if any(not row.task.peers or peer in row.task.peers for row in rows)]


def tasks_of(rows):
    """The tasks of some rows in order, each with its rows."""
    tasks = {}
    for row in rows:
        tasks.setdefault(row.task, []).append(row)
    return tasks


def print_list():
    width = max(len(name) for name in [*BY_NAME, *RATIO_BY_NAME])
    for row in [*ROWS, *RATIOS]:
        limit = ""
        if row.at_most:
            limit = f"; at most {' / '.join(f'{value:g}' for value in row.at_most)}"
        elif getattr(row, "at_least", ()):
            limit = f"; at least {' / '.join(f'{value:g}' for value in row.at_least)}"
        print(f"{row.name:{width}}  {row.title} ({row.unit}{limit})")
    print()
    print("together:", ", ".join(GROUPS), "; * stands for anything: 'mutex_*'")
