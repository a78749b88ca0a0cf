"""The figures of `tokaut bench` as a table: one row for each figure, with its goal if it has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

Row = tuple[str, str, str, str]  # figure, ours, the baseline's, goal


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
        yield f"deliveries a second, {encryption}, {label} of each kind", _text(figures[name]["per_second"]), "", "≥ 50"


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
