"""scale: what one operation costs as there are ten and a hundred times as many goroutines or
connections at it. The work is the same in all, so a flat line is what one hopes for; what grows by
more than GROWTH_MAX for ten times as many is pointed out: it would become superlinear."""
import statistics
import subprocess
import time

from harness import peers as peers_module
from harness.measure import Progress
from harness.report import figure

GROWTH_MAX = 1.5
EFFORT = 0.3
ECHO_SECONDS = 2
NS_OF = {"ms": 1e6, "s": 1e9}


def cost(row, value, n):
    """Of one operation, in ns, or in the row's own unit."""
    return value * NS_OF[row.unit] / n if row.total else value


def unit(row):
    return "ns" if row.total else row.unit


def measure(rows, peers, load, processors, rounds):
    """{row: {peer: [cost at 1x, 10x, 100x]}}."""
    samples = {}
    progress = Progress()
    begin = time.monotonic()
    points = [(number, row, n) for number in range(rounds) for row in rows for n in row.scale]
    for at, (number, row, n) in enumerate(points):
        passed = time.monotonic() - begin
        progress.say(f"round {number + 1} of {rounds}, {row.name} of {n:,}",
                     passed / at * (len(points) - at) if at else 5 * len(points))
        for peer in peers:
            if not peer.has(row.task):
                continue
            if row.task.kind == "row":
                found = peers_module.run_row(peer, row.task, processors, EFFORT, n)
            else:
                found = peers_module.run_server(peer, row.task, processors, load, ECHO_SECONDS, n)
            samples.setdefault((row.name, peer.name, n), []).append(
                cost(row, found[row.figure][0], n))
    progress.done()
    return {row.name: {peer.name: [statistics.median(samples[row.name, peer.name, n])
                                   for n in row.scale]
                       for peer in peers if peer.has(row.task)} for row in rows}


def grows(costs):
    """The most that a step of ten times costs an operation; tiny costs are not judged."""
    return max(b / a if a > 0 else 1.0 for a, b in zip(costs, costs[1:]))


def print_table(rows, costs):
    peers = list(dict.fromkeys(peer for by_peer in costs.values() for peer in by_peer))
    table = [["row", "unit", "n"] + [text for peer in peers for text in (peer, "x")]]
    suspect = []
    for row in rows:
        line = [row.name, unit(row), " / ".join(f"{n:,}" for n in row.scale)]
        for peer in peers:
            values = costs[row.name].get(peer)
            if not values:
                line += ["-", ""]
                continue
            line += [" / ".join(figure(value) for value in values), f"{grows(values):.2f}"]
            if peer == "weft" and grows(values) > GROWTH_MAX:
                suspect.append(row.name)
        table.append(line)
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print("\nThe cost of one operation at 1x, 10x, 100x; x: the most that a step of ten does to it.")
    if suspect:
        print(f"More than {GROWTH_MAX:g} with ten times as many: {', '.join(suspect)}")
    else:
        print(f"Nothing of weft's costs more than {GROWTH_MAX:g} times as much with ten times as many.")


def plot(rows, costs, path):
    """A picture of all rows, drawn by gnuplot."""
    columns = min(4, len(rows))
    lines = -(-len(rows) // columns)
    script = [
        f"set terminal svg size {columns * 280},{lines * 210} font 'sans,11' background '#ffffff'",
        f"set output '{path}'",
        f"set multiplot layout {lines},{columns}",
        "set logscale x 10", "unset mxtics", "set xtics nomirror", "set ytics nomirror",
        "set yrange [0:*]", "set offsets graph 0, 0, graph 0.1, 0",
        "set key bottom left samplen 1 font ',9'", "set tics font ',9'",
    ]
    for number, row in enumerate(rows):
        script.append(f"set title '{row.name}, {unit(row)}' noenhanced offset 0,-0.6")
        drawn = []
        for peer, values in costs[row.name].items():
            block = f"$d{number}_{''.join(c for c in peer if c.isalnum())}"
            script += [f"{block} << EOD",
                       *[f"{n} {value:.6g}" for n, value in zip(row.scale, values)], "EOD"]
            style = "lw 2 pt 7 ps 0.5 " + {"weft": "lc '#c0392b'", "Go": "lc '#2980b9'"}.get(peer, "")
            drawn.append(f"{block} using 1:2 with linespoints {style} title '{peer}' noenhanced")
        labels = ", ".join(f"'{n:,}' {n}" for n in row.scale)
        script.append(f"set xtics ({labels})")
        script.append(f"set xrange [{row.scale[0] * 0.7}:{row.scale[-1] * 1.4}]")
        script.append("plot " + ", ".join(drawn))
    script.append("unset multiplot")
    done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True,
                          capture_output=True)
    if done.returncode != 0:
        raise peers_module.Failed(f"gnuplot: {done.stderr.strip()}")
    with open(path, encoding="utf-8") as file:  # a third of what gnuplot writes is white space
        lines_kept = [line.strip() for line in file if line.strip()]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines_kept) + "\n")
