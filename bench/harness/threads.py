"""threads: goroutines beside threads and processes, in figures where comparisons usually have
adjectives: creating, switching, memory, how many, work that waits and work that computes."""
import statistics
import time

from harness import peers as peers_module
from harness.measure import Progress
from harness.report import figure, spread
from harness.rows import Task

ECHO_SECONDS = 2
CONNECTIONS = 1000

# What is asked: (title, unit, task, figure). How many take part in a crowd is each program's own
# number: as many as are sensible to try, not as many as there can be.
LINES = [
    ("create and join", "ns", Task("row", "spawn_join"), "spawn_join"),
    ("switch to another", "ns", Task("row", "yield"), "yield"),
    ("hand over an item (128 fit)", "ns", Task("row", "channel_128"), "channel_128"),
    ("memory of one that waits", "B", Task("row", "crowd"), "parked_bytes"),
    ("wake one of many, to its end", "ns", Task("row", "crowd"), "wake"),
    ("how many at once were tried", "", Task("row", "crowd"), "how_many"),
    (f"waiting: echo, {CONNECTIONS:,} connections", "msg/s",
     Task("echo", "echo", CONNECTIONS), "echo_rate"),
    ("waiting: CPU a message", "us", Task("echo", "echo", CONNECTIONS), "echo_cpu"),
    ("computing: 1,000 tasks of 100 us, each", "us", Task("row", "cpu_tasks"), "cpu_tasks"),
]
IDEAL = Task("row", "cpu_loops")
PEERS = ("weft", "Go", "threads", "processes")


def measure(peers, load, processors, rounds):
    """{(peer, figure): [value]}."""
    samples = {}
    tasks = dict.fromkeys([task for _, _, task, _ in LINES] + [IDEAL])
    cells = [(number, task, peer) for number in range(rounds) for task in tasks
             for peer in peers if peer.has(task)]
    progress = Progress()
    begin = time.monotonic()
    for at, (number, task, peer) in enumerate(cells):
        passed = time.monotonic() - begin
        progress.say(f"round {number + 1} of {rounds}, {task.run}, {peer.name}",
                     passed / at * (len(cells) - at) if at else 3 * len(cells))
        if task.kind == "row":
            found = peers_module.run_row(peer, task, processors, 1)
        else:
            found = peers_module.run_server(peer, task, processors, load, ECHO_SECONDS)
        for name, (value, _) in found.items():
            samples.setdefault((peer.name, name), []).append(value)
    progress.done()
    return samples


def number_in(path):
    try:
        with open(path, encoding="utf-8") as file:
            return f"{int(file.read()):,}"
    except (OSError, ValueError):
        return "unknown"


def print_table(samples, peers, processors):
    titles = {"weft": "goroutines (weft)", "Go": "goroutines (Go)"}
    table = [["", "unit", *[titles.get(peer.name, peer.title) for peer in peers]]]
    for title, unit, _, name in LINES:
        line = [title, unit]
        for peer in peers:
            values = samples.get((peer.name, name))
            if not values:
                line.append("-")
            elif name == "how_many":
                line.append(f"{max(values):,.0f}")
            else:
                line.append(f"{figure(statistics.median(values))} {spread(values)}")
        table.append(line)
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    ideal = samples.get(("threads", "cpu_loops"))
    print()
    if ideal:
        print(f"One thread for each of {processors} processors and no tasks: "
              f"{figure(statistics.median(ideal))} us for the same work.")
    print("Threads have stacks of 64 KiB. Memory of goroutines is what stays resident; of a thread "
          "that and its kernel\nstack and page tables; of a process what the whole machine has less.")
    print(f"This system allows {number_in('/proc/sys/kernel/threads-max')} threads, "
          f"{number_in('/proc/sys/kernel/pid_max')} process numbers and "
          f"{number_in('/proc/sys/vm/max_map_count')} mappings a process.")
