"""tails: how late goroutines run that were due: bench/weft/tails.cc says what is measured. Each
figure is the median over rounds of that quantile. A program in which hogs let nobody else run does
not end: that is told, and is no failure of the measurement."""
import statistics
import time

from harness import peers as peers_module
from harness.measure import Progress
from harness.report import figure

LOADS = (0.25, 0.5, 0.9)
QUANTILES = ("p50", "p99", "p99.9")
PATIENCE_SECONDS = 30  # beyond what a sample should take
DELAYS = {"timer": "due until it ran", "channel": "sent until it ran"}


def measure(peers, processors, rounds, seconds):
    """{(load, hogs, peer): {figure: [value of each round]}}."""
    samples = {}
    cells = [(number, load, hogs, peer) for number in range(rounds) for load in LOADS
             for hogs in (0, processors) for peer in peers]
    progress = Progress()
    begin = time.monotonic()
    for at, (number, load, hogs, peer) in enumerate(cells):
        passed = time.monotonic() - begin
        progress.say(f"round {number + 1} of {rounds}, load {load:.0%}, {hogs} hogs, {peer.name}",
                     passed / at * (len(cells) - at) if at else (seconds + 1) * len(cells))
        cell = samples.setdefault((load, hogs, peer.name), {})
        try:
            found = peers_module.run([peer.binary, "tails", f"load={load}", f"hogs={hogs}",
                                      f"seconds={seconds}"], processors,
                                     seconds + PATIENCE_SECONDS)
        except peers_module.TimedOut:
            cell["stuck"] = True
            continue
        for name, (value, _) in found.items():
            cell.setdefault(name, []).append(value)
    progress.done()
    return samples


def print_table(samples):
    peers = list(dict.fromkeys(peer for _, _, peer in samples))
    table = [["load", "hogs", "delay, us"] + [f"{peer} {q}" for peer in peers for q in QUANTILES]]
    for load, hogs in dict.fromkeys((load, hogs) for load, hogs, _ in samples):
        for delay, meaning in DELAYS.items():
            line = [f"{load:.0%}", str(hogs), f"{delay}: {meaning}"]
            for peer in peers:
                cell = samples[load, hogs, peer]
                line += ["never" if "stuck" in cell else
                         figure(statistics.median(cell[f"{delay}_{q}"])) for q in QUANTILES]
            table.append(line)
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print("\n200 goroutines wake at random moments fixed beforehand and hand 50 us of work to a partner;")
    print("load is the share of the processors that this takes. A hog computes all the time.")
    if any("stuck" in cell for cell in samples.values()):
        print(f"never: the program had not ended {PATIENCE_SECONDS} s after it should have.")
