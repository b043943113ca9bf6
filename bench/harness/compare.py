"""compare: whether new results are worse than old ones, by more than noise.

A row has become worse when its median is by more than `noise` (a share), and nine of ten pairs of an
old and a new sample say so too. With five samples each of one distribution the pairs alone would call
one row in sixty worse by chance."""
import statistics

from harness import rows as rows_module
from harness.report import figure

PAIRS_AGREE = 0.9


def judge(old, new, more_is_better, noise):
    """("worse" | "better" | "same", new median over old)."""
    before, after = statistics.median(old), statistics.median(new)
    if before == after or before == 0:
        return "same", 1.0
    sign = -1 if more_is_better else 1
    pairs = [(a, b) for a in old for b in new]
    worse = sum(sign * b > sign * a for a, b in pairs) / len(pairs)
    better = sum(sign * b < sign * a for a, b in pairs) / len(pairs)
    change = after / before
    if abs(change - 1) > noise and worse >= PAIRS_AGREE:
        return "worse", change
    if abs(change - 1) > noise and better >= PAIRS_AGREE:
        return "better", change
    return "same", change


def relative(results, row, processors):
    """Weft's samples over Go's of the same rounds: what slows the machine down cancels."""
    return [a / b for a, b in zip(results.of(row, processors, "weft"),
                                  results.of(row, processors, "Go")) if b]


def compare(old, new, noise, to_go):
    """Prints what changed; True if nothing is worse."""
    for what in ("CPU", "kernel"):
        if old.machine[what] != new.machine[what]:
            print(f"careful: {what} was '{old.machine[what]}', is '{new.machine[what]}'")
    if old.versions.get("weft") != new.versions.get("weft"):
        print(f"careful: the compiler was '{old.versions.get('weft')}', "
              f"is '{new.versions.get('weft')}'")
    counts = {"worse": 0, "better": 0, "same": 0}
    few, absent = False, []
    for row in rows_module.ROWS:
        for processors in row.processors:
            def samples(results):
                return relative(results, row.name, processors) if to_go else \
                    results.of(row.name, processors, "weft")
            a, b = samples(old), samples(new)
            if a and not b:
                absent.append(f"{row.name} P={processors}")
            if not a or not b:
                continue
            few = few or min(len(a), len(b)) < 3
            verdict, change = judge(a, b, row.more_is_better, noise)
            counts[verdict] += 1
            if verdict != "same":
                print(f"{verdict:6}  {row.name:22} P={processors}  "
                      f"{figure(statistics.median(a))} ({figure(min(a))}-{figure(max(a))}) -> "
                      f"{figure(statistics.median(b))} ({figure(min(b))}-{figure(max(b))}) "
                      f"{'x' if to_go else row.unit}  {change - 1:+.0%}")
    if absent:
        print("not measured again:", ", ".join(absent))
    if few:
        print("careful: fewer than three samples a cell say little")
    total = sum(counts.values())
    if total == 0:
        print("nothing to compare: the two have no row in common")
        return False
    print(f"{total} compared: {counts['worse']} worse, {counts['better']} better, by more than "
          f"{noise:.0%} and more than noise")
    return counts["worse"] == 0
