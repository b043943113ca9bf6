"""observe: what the flight recorder costs: the same program, alternating with WEFT_TRACE and without.
Medians, and how far the samples lie apart. A yield is two events, one at which a goroutine stops and
one at which another goes on: half of what it costs more is the price of an event."""
import copy
import os
import re
import statistics
import subprocess
import tempfile

from harness import peers as peers_module
from harness.measure import Progress
from harness.report import figure, spread
from harness.rows import Task

SERVER_SECONDS = 3
CHAT_ROOMS, CHAT_MEMBERS = 8, 8
EVENTS_OF_A_YIELD = 2

CHAT = Task("chat", "chat")

# (title, unit, task, figure)
LINES = [
    ("yield", "ns", Task("row", "yield"), "yield"),
    ("start and join", "ns", Task("row", "spawn_join"), "spawn_join"),
    ("an item, unbuffered channel", "ns", Task("row", "channel_unbuffered"), "channel_unbuffered"),
    ("an item, channel of 128", "ns", Task("row", "channel_128"), "channel_128"),
    ("mutex, nobody else", "ns", Task("row", "mutex"), "mutex"),
    ("echo, 64 connections", "msg/s", Task("echo", "echo", 64), "echo_rate"),
    ("echo, CPU a message", "us", Task("echo", "echo", 64), "echo_cpu"),
    ("chat, 8 channels of 8", "lines/s", CHAT, "chat_rate"),
    ("chat, CPU a line received", "us", CHAT, "chat_cpu"),
]


def run_chat(tertuliad, load, processors, variables):
    """The chat server, with an empty history, and its load client beside it."""
    with tempfile.TemporaryDirectory(prefix="weft-bench-") as data, peers_module.start(
            [tertuliad, "--data", data, "--listen", "127.0.0.1:0"], processors, variables,
            stderr=subprocess.DEVNULL) as server:
        try:
            said = ""
            while not (found := re.match(r"listening on .*:(\d+)$", said)):
                said = server.stdout.readline()
                if not said:
                    raise peers_module.Failed(f"{tertuliad}: does not say where it listens")
            return peers_module.run([load, found.group(1), str(CHAT_ROOMS), str(CHAT_MEMBERS),
                                     str(SERVER_SECONDS), str(server.pid)], processors)
        finally:
            server.kill()


def measure(weft, build, processors, rounds):
    """{(figure, whether it is on): [value]}."""
    echo_load = os.path.join(build, "bench", "weft-echo-load")
    chat_load = os.path.join(build, "bench", "weft-chat-load")
    tertuliad = os.path.join(build, "apps", "tertulia", "tertuliad")
    on = copy.copy(weft)
    on.variables = dict(weft.variables, WEFT_TRACE=os.devnull)
    tasks = list(dict.fromkeys(task for _, _, task, _ in LINES))
    samples = {}
    progress = Progress()
    for number in range(rounds):
        for task in tasks:
            progress.say(f"round {number + 1} of {rounds}, {task.run}",
                         3 * len(tasks) * (rounds - number))
            for peer in (weft, on) if number % 2 == 0 else (on, weft):
                if task.kind == "row":
                    found = peers_module.run_row(peer, task, processors, 1)
                elif task.kind == "echo":
                    found = peers_module.run_server(peer, task, processors, echo_load,
                                                    SERVER_SECONDS)
                else:
                    found = run_chat(tertuliad, chat_load, processors, peer.variables)
                for name, (value, _) in found.items():
                    samples.setdefault((name, peer is on), []).append(value)
    progress.done()
    return samples


def print_table(samples):
    table = [["", "unit", "off", "", "on", "", "more"]]
    for title, unit, _, name in LINES:
        off, on = samples[name, False], samples[name, True]
        more = statistics.median(on) / statistics.median(off) - 1
        table.append([title, unit, figure(statistics.median(off)), spread(off),
                      figure(statistics.median(on)), spread(on), f"{more:+.1%}"])
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    more = (statistics.median(samples["yield", True]) - statistics.median(samples["yield", False]))
    print(f"\nan event: {figure(more / EVENTS_OF_A_YIELD)} ns")
