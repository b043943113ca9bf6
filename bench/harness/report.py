"""report: results as a table for a terminal, or for a README."""
import statistics

from harness import machine
from harness import rows as rows_module


def figure(value):
    if abs(value) >= 10_000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.005 else "0"


def spread(values):
    return f"({figure(min(values))}-{figure(max(values))})" if len(values) > 1 else ""


def columns(results):
    """The peers that have a figure, in their order."""
    from harness import peers
    seen = {peer for by_peer in results.samples.values() for peer in by_peer}
    return [peer for peer in peers.PEERS if peer in seen]


def shown_rows(results):
    """Rows and ratios that have a figure of weft's, with their processors."""
    shown = []
    measured = {row for row, _ in results.samples}
    for row in [*rows_module.ROWS, *rows_module.RATIOS]:
        if isinstance(row, rows_module.Ratio):
            if not {row.over, row.under} <= measured:
                continue
        elif row.name not in measured:
            continue
        for processors in sorted({p for _, p in results.samples}):
            if any(results.of(row.name, processors, peer) for peer in columns(results)):
                shown.append((row, processors))
    return shown


def limit_of(row, processors):
    """(text, whether `value` keeps it) of what was promised, or None."""
    most, least = row.at_most, getattr(row, "at_least", ())
    which = min(processors, 2) - 1
    if most:
        return f"<= {figure(most[which])}", lambda value: value <= most[which]
    if least:
        return f">= {figure(least[which])}", lambda value: value >= least[which]
    return None


def print_table(results):
    machine.print_header(results.machine, results.versions, results.missing)
    options = results.options
    most = max((len(values) for by_peer in results.samples.values() for values in by_peer.values()),
               default=0)
    wanted = f" of {options['rounds']}" if options["rounds"] and most < options["rounds"] else ""
    print(f"Up to {most}{wanted} samples a cell, one process each, the programs in turn: "
          "median (least-greatest)")
    print()
    names = columns(results)
    both = "weft" in names and "Go" in names
    header = ["row", "P", "unit", *names]
    header += ["weft/Go"] if both else []
    header += ["goal", ""]
    table = [header]
    for row, processors in shown_rows(results):
        line = [row.name, str(processors), row.unit]
        medians = {}
        for peer in names:
            values = results.of(row.name, processors, peer)
            if values:
                medians[peer] = statistics.median(values)
            line.append(f"{figure(medians[peer])} {spread(values)}" if values else "-")
        if both:
            whole = isinstance(row, rows_module.Row) and {"weft", "Go"} <= set(medians)
            line.append(f"{medians['weft'] / medians['Go']:.2f}" if whole and medians["Go"] else "")
        limit = limit_of(row, processors)
        line += [limit[0] if limit else "",
                 "" if not limit or "weft" not in medians else
                 "kept" if limit[1](medians["weft"]) else "missed"]
        table.append(line)
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    print("\nLess is better, but for msg/s and rate ratios. - : the program has no such thing.")
    if results.left_out:
        print("No time was left for:", ", ".join(results.left_out))


def markdown(results):
    """The README's table: a line a row, processors 1 / 2 in a cell."""
    names = columns(results)
    peers = [name for name in names if name not in ("weft", "Go")]
    lines = [f"{results.machine['CPU']}, {results.machine['kernel']}; "
             + "; ".join(f"{name}: {text}" for name, text in results.versions.items()) + ".",
             "Medians"
             + (f" of {results.options['rounds']} rounds" if results.options["rounds"] else "")
             + " with 1 / 2 processors, spread in brackets; **bold** where weft is behind.", ""]
    header = ["row", "weft", "Go", "weft/Go", *peers, "goal"]
    lines += ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    by_row = {}
    for row, processors in shown_rows(results):
        by_row.setdefault(row, []).append(processors)
    for row, processors_of in by_row.items():
        def cell(peer, with_spread):
            parts = []
            for p in processors_of:
                values = results.of(row.name, p, peer)
                if not values:
                    return "-"
                text = figure(statistics.median(values))
                parts.append(f"{text} {spread(values)}".strip() if with_spread else text)
            return " / ".join(parts)

        ratios, behind = [], False
        for p in processors_of:
            ours, theirs = results.of(row.name, p, "weft"), results.of(row.name, p, "Go")
            if ours and theirs and statistics.median(theirs):
                ratio = statistics.median(ours) / statistics.median(theirs)
                ratios.append(f"{ratio:.2f}")
                behind = behind or (ratio < 1 if row.more_is_better else ratio > 1)
        ratio_text = " / ".join(ratios) or "-"
        if behind:
            ratio_text = f"**{ratio_text}**"
        goals = [limit[0] for p in processors_of if (limit := limit_of(row, p))]
        goal = goals[0] if len(set(goals)) == 1 else " / ".join(goals)
        unit = f", {row.unit}" if isinstance(row, rows_module.Row) else ""
        lines.append("| " + " | ".join([row.title + unit, cell("weft", True), cell("Go", True),
                                        ratio_text, *[cell(peer, False) for peer in peers],
                                        goal]) + " |")
    return "\n".join(lines)


BEGIN, END = "<!-- ./dev bench --markdown: begin -->", "<!-- ./dev bench --markdown: end -->"


def replace_in(path, text):
    """Puts the table between the two marks of a file."""
    with open(path, encoding="utf-8") as file:
        before, found, rest = file.read().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{path} has no '{BEGIN}' ... '{END}'")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{text}\n{END}{after}")
