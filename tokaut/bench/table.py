"""The figures of `tokaut bench` for people: one line a figure, with its goal where it has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

Row = tuple[str, str, str, str]  # figure, ours, the floor's, goal


def figures_table(figures: dict[str, Any]) -> Table:
    made = Table(title="Tokaut on this machine, one web process", title_justify="left")
    made.add_column("figure")
    for name in ("ours", "bare Flask view", "goal"):
        made.add_column(name, justify="right")
    for row in figure_rows(figures):
        made.add_row(*row)
    return made


def figure_rows(figures: dict[str, Any]) -> Iterator[Row]:
    yield from _screens(figures["screens"])
    for name, words in (("half_load", "at half load"), ("half_load_sending", "at half load, with Send")):
        yield f"p99 of a screen {words}, ms", _say(figures[name]["p99"]), "", f"≤ {figures[name]['goal_p99']}"
    for name, words in (("sending", "SQLite"), ("sending_postgresql", "PostgreSQL")):
        found = figures[name]
        yield (
            f"reports committed a second, {words}",
            _say(found and found["reports_per_second"], "not measured"),
            "",
            "",
        )
    yield from _arrivals(figures)
    kept, trips = figures["session_bytes"], figures["round_trips"]
    yield "sealed session at Send, bytes: median / largest", f"{kept['median']} / {kept['largest']}", "", "≤ 1024"
    for name, memory in figures["memory_mb"].items():
        if isinstance(memory, dict) and "pss" in memory:
            both = f"{_say(memory['rss'])} / {_say(memory['pss'])}"
            yield f"memory of web, {name.replace('_', ' ')}, MB: RSS / PSS", both, "", "≤ 90"
    yield from _stored(figures["stored_reports_mb"])
    yield "start of web to its first answer, s", _say(figures["start_seconds"]), "", ""
    yield "Redis round trips a USSD screen", _say(trips["ussd"]), "", "≤ 2"
    yield "Redis round trips an SMS", _say(trips["sms"]), "", "≤ 4"


def _arrivals(figures: dict[str, Any]) -> Iterator[Row]:
    hotline, down = figures["to_hotline"], figures["primary_down"]
    for name, words in (("sent", '"Sent" read'), ("commit", "commit begun"), ("send", "Send pressed")):
        took = hotline[f"from_{name}"]
        yield f"{words} → hotline p50 / p95, ms", f"{took['p50']} / {took['p95']}", "", "≤ 250 / 1000"
    yield "urgent, first hotline down → somebody, p50 / p99, s", f"{down['p50']} / {down['p99']}", "", "≤ 60"
    for name, words in (("deliveries_one", "one worker"), ("deliveries_two", "two workers")):
        how = "TLS" if figures[name]["tls"] else "without TLS"
        yield f"deliveries a second, {how}, {words} of each kind", _say(figures[name]["per_second"]), "", "≥ 50"


def _stored(memory: dict[str, Any]) -> Iterator[Row]:
    for name in ("before", "after"):
        both = f"{_say(memory[name]['rss'])} / {_say(memory[name]['pss'])}"
        yield f"memory of web, {memory[name]['reports']} reports stored, MB: RSS / PSS", both, "", "± 10 %"


def _screens(screens: dict[str, Any]) -> Iterator[Row]:
    web, floor, before = screens["web"], screens["floor"], screens.get("before")
    for name, words in (
        ("per_second", "screens a second"),
        ("p50", "p50 of a screen, ms"),
        ("p99", "p99 of a screen, ms"),
        ("cpu_ms", "CPU time of a screen, ms"),
        ("client_cpu", "load client's share of a core"),
    ):
        yield (
            words,
            _say(web[name]),
            f"{_say(floor[name])}{f' / {_say(before[name])} the other checkout' if before else ''}",
            "",
        )
    for name, words in (("floor", "a bare Flask view on gunicorn's threads"), ("before", "web of the other checkout")):
        if (ratio := screens["ratio"].get(name)) is None:
            continue
        goal = f"≥ {screens['goal'][name]:g}"
        yield f"ratio to {words}, screens a second", _say(ratio["per_second"]), "1", goal
        yield f"ratio to {words}, CPU time", _say(ratio["cpu"]), "1", ""


def _say(figure: float | None, otherwise: str = "not known here") -> str:
    return otherwise if figure is None else f"{figure:g}"
