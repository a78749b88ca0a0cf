"""The figures of `tokaut bench` as a table with goals, and as a chart."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from rich.table import Table

Row = tuple[str, str, str, str]  # figure, ours, the baseline's, goal
# Multiples of the Flask baseline on gunicorn's threads, measured on a similar machine: state in Redis, one process, 16
# callers. They do far less: no sealing, no handling of duplicates, no report.
OTHERS = (
    ("express + ussd-menu-builder", 4.5),
    ("raw WSGI on granian", 4.3),
    ("mobilex on uvicorn", 3.0),
    ("Flask floor on granian", 1.8),
    ("anysd", 0.6),
)
LEFT, WIDE, HIGH, GAP = 230, 560, 22, 8  # pixels: width of the names and of the longest bar, height of a bar, gap
OURS, FLOOR, OTHER = "#1f6f8b", "#8fb8c4", "#d9d4c7"


def figures_table(figures: dict[str, Any]) -> Table:
    """Return the table of all figures."""
    table = Table(title="Tokaut on this machine, one web process", title_justify="left")
    table.add_column("figure")
    for name in ("ours", "bare Flask view", "goal"):
        table.add_column(name, justify="right")
    for row in figure_rows(figures):
        table.add_row(*row)
    return table


def figure_rows(figures: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of the table."""
    yield from _screen_rows(figures["screens"])
    for name, label in (("half_load", "at half load"), ("half_load_sending", "at half load, with Send")):
        yield f"p99 of a screen {label}, ms", _text(figures[name]["p99"]), "", f"≤ {figures[name]['goal_p99']}"
    for name, label in (("sending", "SQLite"), ("sending_postgresql", "PostgreSQL")):
        sending = figures[name]
        yield (
            f"reports committed a second, {label}",
            _text(sending and sending["reports_per_second"], "not measured"),
            "",
            "",
        )
    yield from _delivery_rows(figures)
    session_bytes, round_trips = figures["session_bytes"], figures["round_trips"]
    yield (
        "sealed session at Send, bytes: median / largest",
        f"{session_bytes['median']} / {session_bytes['largest']}",
        "",
        "≤ 1024",
    )
    for name, memory in figures["memory_mb"].items():
        if isinstance(memory, dict) and "pss" in memory:
            rss_and_pss = f"{_text(memory['rss'])} / {_text(memory['pss'])}"
            yield f"memory of web, {name.replace('_', ' ')}, MB: RSS / PSS", rss_and_pss, "", "≤ 90"
    yield from _memory_rows(figures["stored_reports_mb"])
    yield "start of web to its first answer, s", _text(figures["start_seconds"]), "", ""
    yield "Redis round trips a USSD screen", _text(round_trips["ussd"]), "", "≤ 2"
    yield "Redis round trips an SMS", _text(round_trips["sms"]), "", "≤ 4"


def _delivery_rows(figures: dict[str, Any]) -> Iterator[Row]:
    hotline, down = figures["to_hotline"], figures["primary_down"]
    for name, label in (("sent", '"Sent" read'), ("commit", "commit begun"), ("send", "Send pressed")):
        percentiles = hotline[f"from_{name}"]
        yield f"{label} → hotline p50 / p95, ms", f"{percentiles['p50']} / {percentiles['p95']}", "", "≤ 250 / 1000"
    yield "urgent, first hotline down → somebody, p50 / p99, s", f"{down['p50']} / {down['p99']}", "", "≤ 60"
    for name, label in (("deliveries_one", "one worker"), ("deliveries_two", "two workers")):
        encryption = "TLS" if figures[name]["tls"] else "without TLS"
        yield (
            f"deliveries a second, {encryption}, {label} of each kind",
            _text(figures[name]["per_second"]),
            "",
            "≥ 300",
        )
    limits, cost = figures["limits"], figures["report_cost"]
    yield "… limit: full handshakes a second, one thread", _text(limits["handshakes_per_second"]), "", ""
    yield "… limit: synced writes a second, one thread", _text(limits["syncs_per_second"]), "", ""
    yield "deliveries a second to a hotline 0.4 s away", _text(figures["deliveries_far"]["per_second"]), "", "≥ 15"
    for name, label in (("web", "web"), ("workers", "workers"), ("all", "web, workers and clock")):
        yield f"CPU time of one report, {label}, ms", _text(cost[name]), "", f"≤ {cost['goal'][name]}"


def _memory_rows(memory: dict[str, Any]) -> Iterator[Row]:
    for name in ("before", "after"):
        rss_and_pss = f"{_text(memory[name]['rss'])} / {_text(memory[name]['pss'])}"
        yield f"memory of web, {memory[name]['reports']} reports stored, MB: RSS / PSS", rss_and_pss, "", "± 10 %"


def _screen_rows(screens: dict[str, Any]) -> Iterator[Row]:
    web, floor, before = screens["web"], screens["floor"], screens.get("before")
    for name, label in (
        ("per_second", "screens a second"),
        ("p50", "p50 of a screen, ms"),
        ("p99", "p99 of a screen, ms"),
        ("cpu_ms", "CPU time of a screen, ms"),
        ("client_cpu", "load client's share of a core"),
    ):
        yield (
            label,
            _text(web[name]),
            f"{_text(floor[name])}{f' / {_text(before[name])} the other checkout' if before else ''}",
            "",
        )
    for name, label in (("floor", "a bare Flask view on gunicorn's threads"), ("before", "web of the other checkout")):
        if (ratio := screens["ratio"].get(name)) is None:
            continue
        goal = f"≥ {screens['goal'][name]:g}"
        yield f"ratio to {label}, screens a second", _text(ratio["per_second"]), "1", goal
        yield f"ratio to {label}, CPU time", _text(ratio["cpu"]), "1", ""


def _text(figure: float | None, if_unknown: str = "not known here") -> str:
    return if_unknown if figure is None else f"{figure:g}"


# The figures of `tokaut bench` as a chart: screens a second, next to the baseline and to other software.


def draw_chart(figures: dict[str, Any]) -> str:
    """Return the chart as SVG."""
    bars = list(_bars(figures["screens"]))
    longest = max(length for _, length, _, _ in bars)
    height = len(bars) * (HIGH + GAP) + 60
    rows = [_row(number, bar, WIDE / longest) for number, bar in enumerate(bars)]
    about = f"{figures['machine']['cpu']}, {figures['machine']['cores']} cores, commit {figures['commit']}"
    title = "Screens a second of one process, as a multiple of a bare Flask view on gunicorn's threads"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 130} {height}" '
            'font-family="sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
            *rows,
            f'<text x="8" y="{height - 10}" fill="#666">{escape(about)}; pale: measured before, on its like</text>',
            "</svg>",
            "",
        ]
    )


def _bars(screens: dict[str, Any]) -> Iterator[tuple[str, float, str, str]]:
    """Yield the name, length, colour and caption of each bar."""
    floor = screens["floor"]["per_second"]
    for name, label, colour in (
        ("web", "Tokaut", OURS),
        ("floor", "Flask floor on gunicorn's threads", FLOOR),
    ):
        rate = screens[name]["per_second"]
        yield label, rate / floor, colour, f"{rate / floor:.2f} ({rate:.0f} a second)"
    for label, multiple in OTHERS:
        yield label, multiple, OTHER, f"{multiple:g}"


def _row(number: int, bar: tuple[str, float, str, str], scale: float) -> str:
    label, length, colour, caption = bar
    top = 36 + number * (HIGH + GAP)
    middle = top + 16
    return (
        f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{length * scale:.0f}" height="{HIGH}" fill="{colour}"/>'
        f'<text x="{LEFT + length * scale + 6:.0f}" y="{middle}">{escape(caption)}</text>'
    )
