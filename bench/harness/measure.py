"""measure: rounds of samples, one fresh process each, the programs in turn."""
import sys
import time

from harness import peers as peers_module
from harness import quiet as quiet_module
from harness import rows as rows_module

ECHO_SECONDS = 3
QUICK_ECHO_SECONDS = 1
QUICK_EFFORT = 0.2
QUICK_PEERS = ("weft", "Go", "epoll", "io_uring", "weft_uring")
QUICK_SECONDS = 165  # of the three minutes; the rest is for building what is built already
ROUNDS_MAX = 100


class Progress:
    """One line on standard error: where we are and how long it still takes."""

    def __init__(self):
        self._terminal = sys.stderr.isatty()
        self._said = 0.0

    def say(self, text, seconds_left):
        minutes, seconds = divmod(max(0, round(seconds_left)), 60)
        line = f"{text}; {minutes}:{seconds:02} left"
        now = time.monotonic()
        if self._terminal:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif now - self._said > 10:
            print(line, file=sys.stderr, flush=True)
            self._said = now

    def done(self):
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


class Results:
    """Samples by row, processors and peer; the n-th of each are of the same round."""

    def __init__(self, machine, versions, missing, options):
        self.machine, self.versions = machine, versions
        self.missing, self.options = missing, options
        self.samples = {}  # (row name, processors) -> {peer: [value]}
        self.left_out = []  # what there was no time for

    def add(self, row, processors, peer, value):
        cell = self.samples.setdefault((row, processors), {})
        cell.setdefault(peer, []).append(value)

    def of(self, row, processors, peer):
        """The samples of a row or a ratio; an empty list if there are none."""
        ratio = rows_module.RATIO_BY_NAME.get(row)
        if ratio is None:
            return self.samples.get((row, processors), {}).get(peer, [])
        over = self.of(ratio.over, processors, peer)
        under = self.of(ratio.under, processors, ratio.under_peer or peer)
        return [a / b for a, b in zip(over, under) if b]

    def to_json(self):
        cells = [{"row": row, "processors": processors, "peer": peer, "samples": values}
                 for (row, processors), by_peer in self.samples.items()
                 for peer, values in by_peer.items()]
        return {"format": 1, "machine": self.machine, "versions": self.versions,
                "missing": self.missing, "options": self.options, "left_out": self.left_out,
                "cells": cells}

    @staticmethod
    def from_json(stored):
        if not isinstance(stored, dict) or stored.get("format") != 1:
            raise ValueError("is not a file of ./dev bench --json")
        results = Results(stored["machine"], stored["versions"], stored["missing"],
                          stored["options"])
        results.left_out = stored["left_out"]
        for cell in stored["cells"]:
            for value in cell["samples"]:
                results.add(cell["row"], cell["processors"], cell["peer"], value)
        return results


def one_unit(task, rows, processors, peers, load, effort, echo_seconds, results):
    """One sample of each peer that has the task."""
    for peer in peers:
        if not peer.has(task):
            continue
        if task.kind == "row":
            figures = peers_module.run_row(peer, task, processors, effort)
        elif task.kind == "quiet":
            figures = quiet_module.run(peer, task, processors, load)
        else:
            figures = peers_module.run_server(peer, task, processors, load, echo_seconds)
        for row in rows:
            if row.figure in figures:
                results.add(row.name, processors, peer.name, figures[row.figure][0])


def seconds_of(task, peers):
    """What a unit takes that has not been measured yet; most are done in a second or a few."""
    if task.kind == "quiet":
        return quiet_module.SAMPLE_SECONDS * sum(peer.has(task) for peer in peers)
    return 1


def take(results, rows, peers, load, processors_wanted, rounds, quick):
    """Fills `results`. With `quick`, as many rounds as there is time for."""
    units = [(task, tuple(of), processors) for task, of in rows_module.tasks_of(rows).items()
             for processors in of[0].processors if processors in processors_wanted]
    effort = QUICK_EFFORT if quick else 1
    echo_seconds = QUICK_ECHO_SECONDS if quick else ECHO_SECONDS
    begin = time.monotonic()
    deadline = begin + QUICK_SECONDS if quick else None
    rounds = ROUNDS_MAX if quick else rounds
    progress = Progress()
    took = {}  # seconds of a unit in the round before
    for number in range(rounds):
        if quick and number > 0:
            # A round is begun only if it will end: all rows have as many samples.
            if time.monotonic() + 1.1 * sum(took.values()) > deadline or number >= 5:
                break
        for at, unit in enumerate(units):
            task, of, processors = unit
            now = time.monotonic()
            if quick and now + took.get(unit, seconds_of(task, peers)) > deadline:
                results.left_out.extend(f"{row.name} P={processors}" for row in of
                                        if number == 0)
                continue
            known = list(took.values())
            mean = sum(known) / len(known) if known else 3
            left = sum(took.get(u, mean) for u in units[at:])
            if deadline is None:
                left += (rounds - number - 1) * sum(took.get(u, mean) for u in units)
            else:
                left = deadline - now
            where = f"round {number + 1}" if quick else f"round {number + 1} of {rounds}"
            progress.say(f"{where}, {of[0].name}, {processors} processor"
                         f"{'s' if processors > 1 else ''}", left)
            one_unit(task, of, processors, peers, load, effort, echo_seconds, results)
            took[unit] = time.monotonic() - now
    progress.done()
    results.options["seconds"] = round(time.monotonic() - begin)
