"""The figures of `tokaut bench` for people: one line a figure, with its goal where it has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table

Row = tuple[str, str, str, str]  # figure, ours, the floor's, goal


def table(figures: dict[str, Any]) -> Table:
    made = Table(title="Tokaut on this machine, one web process", title_justify="left")
    made.add_column("figure")
    for name in ("ours", "floor", "goal"):
        made.add_column(name, justify="right")
    for row in rows(figures):
        made.add_row(*row)
    return made


def rows(figures: dict[str, Any]) -> Iterator[Row]:
    yield from _screens(figures["screens"])
    sending, hotline = figures["sending"], figures["to_hotline"]
    yield "reports committed a second, whole walks", _say(sending["reports_per_second"]), "", ""
    yield "screens a second meanwhile", _say(sending["per_second"]), "", ""
    for name, words in (("sent", '"Sent" read'), ("commit", "commit begun"), ("send", "Send pressed")):
        took = hotline[f"from_{name}"]
        yield f"{words} → hotline p50 / p95, ms", f"{took['p50']} / {took['p95']}", "", "≤ 250 / 1000"
    kept, memory, trips = figures["session_bytes"], figures["memory_mb"], figures["round_trips"]
    yield "sealed session at Send, bytes: median / largest", f"{kept['median']} / {kept['largest']}", "", "≤ 1024"
    yield "memory of a web process, MB: RSS / PSS", f"{_say(memory['rss'])} / {_say(memory['pss'])}", "", ""
    yield "Redis round trips a USSD screen", _say(trips["ussd"]), "", "≤ 2"
    yield "Redis round trips an SMS", _say(trips["sms"]), "", "≤ 4"


def _screens(screens: dict[str, Any]) -> Iterator[Row]:
    web, floor, ratio = screens["web"], screens["floor"], screens["ratio"]
    for name, words in (
        ("per_second", "screens a second"),
        ("p50", "p50 of a screen, ms"),
        ("p99", "p99 of a screen, ms"),
        ("cpu_ms", "CPU time of a screen, ms"),
        ("client_cpu", "load client's share of a core"),
    ):
        yield words, _say(web[name]), _say(floor[name]), ""
    yield "ratio to the floor, screens a second", _say(ratio["per_second"]), "1", "≥ 0.8"
    yield "ratio to the floor, CPU time", _say(ratio["cpu"]), "1", ""


def _say(figure: float | None) -> str:
    return "not known here" if figure is None else f"{figure:g}"
