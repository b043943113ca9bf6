"""count: instructions of the basic operations, by callgrind, beside those in bench/counts.txt.

Instructions repeat to a few per mille where nanoseconds do not: a growth of more than GROWTH_MAX is
a change of the code (or of the compiler, so figures are kept by compiler). What was counted too high
is counted again, twice at most, and the least counts: a monitor that took a processor from a
goroutine which valgrind made slow is no growth."""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from harness.peers import BENCH, Failed

STORED = os.path.join(BENCH, "counts.txt")
GROWTH_MAX = 0.03
RUNS_MAX = 3
SKIPPED = 77  # what ./dev test reads as a skip
SECONDS_MAX = 240
# GUARDED: where stacks have guards of pages, as outside of valgrind.
GUARDED = {**os.environ, "WEFT_STACK_GUARD": "mprotect"}

HEAD = """# Instructions of one operation, by compiler: ./dev bench count compares, and --record writes them.
"""


def load():
    """{compiler: {row: instructions}}."""
    stored = {}
    if os.path.exists(STORED):
        with open(STORED, encoding="utf-8") as file:
            for line in file:
                fields = line.split()
                if len(fields) == 3 and not line.startswith("#"):
                    stored.setdefault(fields[0], {})[fields[1]] = float(fields[2])
    return stored


def save(stored):
    with open(STORED, "w", encoding="utf-8") as file:
        file.write(HEAD)
        for compiler in sorted(stored):
            for row, value in stored[compiler].items():
                file.write(f"{compiler} {row} {value:.1f}\n")


def count(binary, operations, keep=None):
    """Runs it once under callgrind: {row: instructions of one operation}. `keep`: a directory for the
    profiles of the rows, with addresses."""
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(keep or directory, "callgrind.out")
        for old in glob.glob(out + ".*"):
            os.remove(old)
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}",
             *(["--dump-instr=yes", "--compress-pos=no"] if keep else []), binary],
            capture_output=True, text=True, timeout=SECONDS_MAX, env=GUARDED)
        if done.returncode != 0:
            raise Failed(f"valgrind {binary}: ended with {done.returncode}\n{done.stderr[-2000:]}")
        found = {}
        for path in glob.glob(out + ".*"):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            name = re.search(r"^desc: Trigger: Client Request: (\S+)$", text, re.MULTILINE)
            totals = re.search(r"^totals: (\d+)", text, re.MULTILINE)
            if name and totals and name.group(1) in operations:
                found[name.group(1)] = int(totals.group(1)) / operations[name.group(1)]
                if keep:
                    os.replace(path, os.path.join(keep, f"callgrind.out.{name.group(1)}"))
    missing = set(operations) - set(found)
    if missing:
        raise Failed(f"callgrind counted nothing of: {', '.join(sorted(missing))}")
    return {row: found[row] for row in operations}


def locked_instructions(binary):
    """Addresses of instructions that lock a cache line: about twenty cycles each, x86-64 alone."""
    said = subprocess.run(["objdump", "-d", "--no-show-raw-insn", binary], capture_output=True,
                          text=True, check=True).stdout
    return {int(found.group(1), 16) for found in re.finditer(
        r"^ +([0-9a-f]+):\t(?:lock |xchg .*\(|mfence)", said, re.MULTILINE)}


def by_function(path, binary, locked):
    """{function: [instructions of its own, locked ones]} of a profile with addresses. The lines that
    callgrind gives for calls are left out: who calls whom is beyond it once stacks are switched."""
    names, objects, own = {}, {}, {}
    function, inside, call = "", False, False
    with open(path, encoding="utf-8") as file:
        for line in file:
            named = re.match(r"(c?fn|c?ob)=\((\d+)\)(?: (.*))?", line)
            if named:
                kind, number, text = named.groups()
                known = names if kind.endswith("fn") else objects
                if text:
                    known[number] = text
                if kind == "fn":
                    function = re.sub(r"'\d+$", "", known[number])
                elif kind == "ob":
                    inside = os.path.realpath(known.get(number, "")) == os.path.realpath(binary)
            elif line.startswith("calls="):
                call = True
            elif cost := re.match(r"0x([0-9a-f]+) \d+ (\d+)$", line):
                if not call:
                    entry = own.setdefault(function, [0, 0])
                    entry[0] += int(cost.group(2))
                    if inside and int(cost.group(1), 16) in locked:
                        entry[1] += int(cost.group(2))
                call = False
    return own


def print_where(path, binary, operations):
    own = by_function(path, binary, locked_instructions(binary))
    total, locks = (sum(entry[i] for entry in own.values()) / operations for i in (0, 1))
    print(f"instructions of one operation, and how many of them lock a cache line, by function:\n"
          f"  {total:8.1f} {locks:6.2f}  all")
    for function, entry in sorted(own.items(), key=lambda item: -item[1][0]):
        if entry[0] / operations >= 0.5:
            print(f"  {entry[0] / operations:8.1f} {entry[1] / operations:6.2f}  {function[:120]}")


def skip(why):
    print(why)
    return SKIPPED


def main(build, record, where):
    binary = os.path.join(build, "bench", "weft-count")
    if not shutil.which("valgrind"):
        return skip("valgrind is not installed")
    if not os.path.exists(binary):
        return skip("the tree was configured without valgrind's headers")
    said = subprocess.run([binary, "rows"], capture_output=True, text=True, check=True).stdout
    operations = {name: int(n) for name, n in (line.split() for line in said.splitlines())}
    compiler = subprocess.run([binary, "compiler"], capture_output=True, text=True,
                              check=True).stdout.strip()
    if where:
        if where not in operations:
            raise Failed(f"nothing is counted under '{where}'; there are: {', '.join(operations)}")
        with tempfile.TemporaryDirectory() as keep:
            count(binary, operations, keep)
            print_where(os.path.join(keep, f"callgrind.out.{where}"), binary, operations[where])
        return 0
    stored = load()
    before = stored.get(compiler, {})
    if not before and not record:
        return skip(f"no counts are recorded for {compiler} (for: {', '.join(sorted(stored)) or 'none'}): "
                    "./dev bench count --record adds them")

    def too_many(found):
        return [row for row, value in found.items()
                if row in before and value > before[row] * (1 + GROWTH_MAX)]

    found = count(binary, operations)
    for _ in range(RUNS_MAX - 1):
        if not record and not too_many(found):
            break
        again = count(binary, operations)
        found = {row: min(value, again[row]) for row, value in found.items()}

    print(f"instructions of one operation, {compiler}")
    for row, value in found.items():
        if row not in before:
            print(f"  {row:20} {value:8.1f}  not recorded")
            continue
        change = value / before[row] - 1
        mark = "GREW" if row in too_many(found) else ""
        print(f"  {row:20} {value:8.1f}  recorded {before[row]:8.1f}  {change:+6.1%}  {mark}".rstrip())
    if record:
        stored[compiler] = found
        save(stored)
        print(f"recorded in {os.path.relpath(STORED)}")
        return 0
    unrecorded = [row for row in found if row not in before]
    if unrecorded:
        print(f"error: not recorded: {', '.join(unrecorded)}; ./dev bench count --record adds them")
        return 1
    if too_many(found):
        print(f"error: {', '.join(too_many(found))} grew by more than {GROWTH_MAX:.0%}. Where: "
              "./dev bench count --where ROW, on both commits.\n"
              "error: if it is meant: ./dev bench count --record, and commit bench/counts.txt "
              "with the reason")
        return 1
    fewer = [row for row, value in found.items() if value < before[row] * (1 - GROWTH_MAX)]
    if fewer:
        print(f"fewer than recorded: {', '.join(fewer)}: ./dev bench count --record keeps the gain")
    return 0
