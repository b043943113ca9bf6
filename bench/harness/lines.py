"""lines: cache lines that processors share, counted. One row runs on many processors at once, each
with objects of its own, so what is shared is the runtime's doing. valgrind's lackey tells each access
to memory and which thread made it; a line counts as shared when two threads touch it and one of them
writes, and as everybody's when more than half of the processors touch it. An access to a shared line
is a transfer between caches at worst; how often it is depends on the timing, which an emulator has
not. So this finds what could stand in the way of many processors, on a machine with few."""
import bisect
import os
import re
import subprocess
import tempfile

from harness.count import GUARDED
from harness.peers import Failed

LINE_BITS = 6


def symbols(binary):
    """The functions of a binary by address, and where its marks are."""
    said = subprocess.run(["nm", "-C", "-n", "--defined-only", binary], capture_output=True,
                          text=True, check=True).stdout
    starts, names, marks = [], [], 0
    for line in said.splitlines():
        found = re.match(r"([0-9a-f]+) (\w) (.*)", line)
        if not found:
            continue
        address = int(found.group(1), 16)
        if found.group(3) == "weft_count_marks":
            marks = address
        if found.group(2) in "tTwW":
            starts.append(address)
            names.append(found.group(3))
    return starts, names, marks


class Window:
    """Accesses between the two stores to the marks, added up."""

    def __init__(self):
        self.threads = {}  # line -> threads that touch it
        self.writers = {}  # line -> threads that write it
        self.counts = {}  # (line, address of the instruction, is a store) -> times

    def add(self, thread, address, store, instruction):
        line = address >> LINE_BITS
        self.threads.setdefault(line, set()).add(thread)
        if store:
            self.writers.setdefault(line, set()).add(thread)
        key = line, instruction, store
        self.counts[key] = self.counts.get(key, 0) + 1

    def shared(self):
        return {line for line, of in self.threads.items()
                if len(of) > 1 and line in self.writers}


def watch(binary, row, processors):
    """Runs it: (Window, operations in it, where its marks lay)."""
    window, marks, open_now = Window(), None, False
    thread = instruction = 0
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "said")
        with open(path, "w", encoding="utf-8") as said, subprocess.Popen(
                ["valgrind", "--tool=lackey", "--trace-mem=yes", "--basic-counts=no",
                 "--trace-sched=yes", "--fair-sched=yes", binary, "lines", row, str(processors)],
                stdout=said, stderr=subprocess.PIPE, text=True, errors="replace",
                env=GUARDED) as process:
            try:
                for line in process.stderr:
                    kind = line[:2]
                    if kind == "I ":
                        if open_now:
                            instruction = int(line[3:line.index(",")], 16)
                    elif kind in (" L", " S", " M"):
                        if marks is None:
                            continue
                        address = int(line[3:line.index(",")], 16)
                        if address == marks and kind == " S":
                            open_now = True
                        elif address == marks + 64 and kind == " S":
                            open_now = False
                        elif open_now:
                            window.add(thread, address, kind != " L", instruction)
                    elif "acquired lock" in line:
                        thread = int(line[line.index("SCHED[") + 6:line.index("]:")])
                        if marks is None:
                            marks = _number(path, r"marks 0x([0-9a-f]+)", 16)
            finally:
                process.kill()
        operations = _number(path, r"operations (\d+)", 10)
    if not operations or not window.counts:
        raise Failed(f"{binary} lines {row}: ended without its figures")
    return window, operations, marks


def _number(path, pattern, base):
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read())
    return int(found.group(1), base) if found else None


def report(binary, row, processors):
    starts, names, marks_at = symbols(binary)
    window, operations, marks = watch(binary, row, processors)
    shared = window.shared()
    everybodys = {line for line in shared if 2 * len(window.threads[line]) > processors}
    touched = of_shared = 0
    of_everybody = {"load": 0, "store": 0}
    by_function = {}
    for (line, instruction, store), count in window.counts.items():
        touched += count
        of_shared += count if line in shared else 0
        if line not in everybodys:
            continue
        kind = "store" if store else "load"
        of_everybody[kind] += count
        at = bisect.bisect_right(starts, instruction - marks + marks_at) - 1
        inside = 0 <= at and instruction - marks + marks_at < starts[-1] + 4096
        key = names[at] if inside else "in a shared library", kind
        by_function[key] = by_function.get(key, 0) + count
    print(f"{row}: {operations} operations on {processors} processors; one touches memory "
          f"{touched / operations:.0f} times, shared lines {of_shared / operations:.2f} times;")
    print(f"  everybody's {of_everybody['load'] / operations:.2f} loads, "
          f"{of_everybody['store'] / operations:.2f} stores")
    for (function, kind), count in sorted(by_function.items(), key=lambda entry: -entry[1])[:8]:
        if count / operations >= 0.01:
            print(f"    {count / operations:6.2f} {kind:5}  {function[:100]}")
    print(flush=True)


def main(build, rows, processors):
    binary = os.path.join(build, "bench", "weft-count")
    said = subprocess.run([binary, "rows"], capture_output=True, text=True, check=True).stdout
    known = [line.split()[0] for line in said.splitlines()]
    for row in rows:
        if row not in known:
            raise Failed(f"nothing is counted under '{row}'; there are: {', '.join(known)}")
    for row in rows or known:
        report(binary, row, processors)
    return 0
