"""The demo's display, in both forms."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tokaut.demo import display
from tokaut.demo.display import TextDisplay
from tokaut.local_stack.hotline_server import ReceivedDeliveries, ReceivedDelivery
from tokaut.local_stack.ussd_phone import PhoneScreen

DATA: dict[str, Any] = {
    "triage": {"priority": "P2", "reasons": ["DANGER_SOON", "LURING"]},
    "category": "luring",
    "danger": "soon",
    "about": "me",
    "child": {"age_band": "13-15"},
    "place": {"code": "VU-SEE", "name": "Shefa"},
    "narrative": None,
    "contact": {"allowed": False, "how": "none"},
    "routing": {"to": [{"hotline": "vu-one", "name": "One Helpline"}]},
}
DELIVERY = ReceivedDelivery("vu-one", "key-1", 1.0, "report.created", DATA)
HOME = PhoneScreen("In danger? Call police 111.\n1 Report\n00 Leave", True, 2.0)


def plain() -> str:
    lines: list[str] = []
    show = TextDisplay(lines.append, dials="*111*163#")
    show.phone(HOME, "The first screen.")
    show.reply("1", "Report")
    show.hotline(DELIVERY, 0.117)
    return "\n".join(lines)


LONG = ReceivedDelivery(
    "vu-one", "01a211f9-fa88-7a02-8b44-5f0e9d8c7b6a", 1.0, "report.updated", DATA | {"narrative": "w " * 40}
)


def drawn(width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    with display.LiveDisplay(console, dials="*111*163#", pace=0) as show:
        for _ in range(10):
            show.phone(HOME, "The first screen.")
            show.reply("1", "Report")
        show.reply("words " * 20, "")
        show.hotline(LONG, 0.117)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().split("\x1b[2K")[-1].splitlines()


def test_plain_lines_read_as_a_conversation() -> None:
    assert plain().splitlines() == [
        "",
        "The first screen.",
        "",
        "    dials *111*163#",
        "    | In danger? Call police 111.",
        "    | 1 Report",
        "    | 00 Leave",
        "    > 1   (Report)",
        "",
        "One Helpline has report.created 0.12 s later; its signature is good:",
        "      priority P2  DANGER_SOON LURING",
        "      what     luring",
        "      danger   soon",
        "      about    me",
        "      age      13-15",
        "      where    Shefa",
        "      contact  no, and no number in it",
    ]


def test_plain_lines_hold_nothing_that_moves_or_shines() -> None:
    assert "\x1b" not in plain()


def test_the_picture_has_the_phone_and_the_hotline_side_by_side() -> None:
    picture = drawn()
    assert any("In danger? Call police 111." in line and "P2  DANGER_SOON LURING" in line for line in picture)
    assert any("signed, 0.12 s after it was sent" in line for line in picture)
    assert any("The first screen." in line for line in picture)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_the_picture_fits_the_terminal(size: tuple[int, int]) -> None:
    picture = drawn(*size)
    assert len(picture) <= size[1]
    assert max(map(len, picture)) <= size[0]


@pytest.mark.parametrize(
    ("terminal", "no_color", "height", "fits"),
    [(True, False, 24, True), (False, False, 24, False), (True, True, 24, False), (True, False, 20, False)],
)
def test_the_picture_is_for_terminals_that_can_show_it(terminal: bool, no_color: bool, height: int, fits: bool) -> None:
    console = Console(
        file=io.StringIO(), force_terminal=terminal, no_color=no_color, width=80, height=height, _environ={}
    )
    assert display.is_supported(console) is fits


def test_what_the_hotline_took_is_read_once_and_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "received.jsonl"
    body = {"type": "report.created", "data": DATA}
    line = json.dumps({"hotline": "vu-one", "at": 1.0, "headers": {"webhook-id": "key-1"}, "body": body}) + "\n"
    path.write_text(line + line[:20])
    received = ReceivedDeliveries(path)
    assert list(received.new()) == [DELIVERY]
    assert list(received.new()) == []
    path.write_text(line + line)
    assert [delivery.name for delivery in received.new()] == ["One Helpline"]
