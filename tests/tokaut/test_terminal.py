"""A reporter's text is printed without effect on the terminal, and a fault of the display stops nothing."""

from __future__ import annotations

import ast
import base64
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.house.files import ROOT, dotted, modules
from tokaut.__main__ import main
from tokaut.demo import display
from tokaut.demo.display import DemoDisplay, SafeDisplay, TextDisplay
from tokaut.demo.playback import DeliveryWatch
from tokaut.local_stack import hotline_server
from tokaut.local_stack.hotline_server import ReceivedDeliveries, ReceivedDelivery
from tokaut.local_stack.processes import ProcessDied, ProcessGroup
from tokaut.local_stack.ussd_phone import PhoneScreen
from tokaut.terminal import echo, one_line, printable

HOSTILE = {
    "half a letter": "a\ud800b",
    "nul": "a\0b",
    "colours": "\x1b[31mred\x1b[0m",
    "clear the screen": "\x1b[2J\x1b[H",
    "set the title": "\x1b]0;mine\x07",
    "write to the clipboard": "\x1b]52;c;aGk=\x1b\\",
    "bell": "\a\a\a",
    "C1 control sequence": "\x9b31mred \x9d0;title\x9c",
    "delete": "abc\x7f\x7f\x08",
    "carriage return": "seen\rhidden",
    "bidi override": "\u202etxet\u202c \u2066a\u2069 \u061c",
    "line separators": "a\u2028b\u2029c\x85d",
    "a line of ours": "a\nOne Helpline has report.created; its signature is good:\n      danger   no",
    "rich markup": "[bold red]x[/] [/nothing] [link=http://x.example]y[/link]",
    "a very long line": "w" * 1_000_000,
    "tags and unseen letters": "\U000e0041\u200b\ufeff\u2800",
}
SAMPLES = ROOT / "docs" / "hotline-kit" / "samples"
SCHEMA = json.loads((ROOT / "docs" / "contracts" / "cop-message-1.0.schema.json").read_text())
KINDS = SCHEMA["properties"]["kind"]["enum"]


def words_in(value: Any, words: str) -> Any:
    """Return the document with `words` in place of every text, as if a reporter had written all of it."""
    if isinstance(value, dict):
        return {name: words_in(one, words) for name, one in value.items()}
    if isinstance(value, list):
        return [words_in(one, words) for one in value]
    return words if isinstance(value, str) else value


def messages() -> Iterator[dict[str, Any]]:
    """Yield one cop-message of each kind that its schema allows."""
    whole = json.loads((SAMPLES / "message.json").read_text())
    no = {"allowed": False, "how": "none", "safe_hours": None}
    hours = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
    yes = {"allowed": True, "how": "sms", "safe_hours": hours, "msisdn": "+6785550101"}
    for kind in KINDS:
        contact = yes if kind == "contact_given" else no
        said = {"text": "Thank you.", "contact": None} if kind == "words" else {"text": None, "contact": contact}
        yield {**whole, "data": {**whole["data"], "kind": kind, **said}}


BODIES = [json.loads(path.read_text()) for path in sorted(SAMPLES.glob("*.json"))] + list(messages())


def test_the_samples_have_every_type_that_is_delivered() -> None:
    assert {body["type"] for body in BODIES} == {
        "report.created", "report.updated", "report.message", "report.unread"
    }  # fmt: skip
    assert {body["data"]["kind"] for body in BODIES if body["type"] == "report.message"} == set(KINDS)


def in_plain_lines(delivery: ReceivedDelivery) -> str:
    written: list[str] = []
    TextDisplay(written.append, dials="").hotline(delivery, 0.1)
    return "\n".join(written)


def in_the_picture(delivery: ReceivedDelivery) -> str:
    console = Console(file=io.StringIO(), force_terminal=False, width=100, height=40, color_system=None)
    with display.LiveDisplay(console, dials="", pace=0) as show:
        show.hotline(delivery, 0.1)
        show.phone(PhoneScreen("Screen", True, 1.0), "")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def obeyed(text: str) -> set[str]:
    """Return the characters that a terminal would obey, or a person would not see."""
    return {sign for sign in text if sign != "\n" and printable(sign) != sign} - {"\t"}


def delivery_of(body: dict[str, Any], names: dict[str, str] | None = None) -> ReceivedDelivery:
    return ReceivedDelivery("vu-pikinini", "key-1", 1.0, body["type"], body["data"], names or {})


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body["type"] + "-" + body["data"].get("kind", ""))
@pytest.mark.parametrize("shown_in", [in_plain_lines, in_the_picture])
def test_each_type_of_delivery_is_shown(body: dict[str, Any], shown_in: Any) -> None:
    said = shown_in(delivery_of(body, {"vu-pikinini": "Pikinini Helpline"}))
    assert "Pikinini Helpline has " + body["type"] in said or "vu-pikinini" not in said
    assert not obeyed(said)


def test_a_message_says_what_the_reporter_wants() -> None:
    said = [in_plain_lines(delivery_of(body)) for body in messages()]
    wanted = (
        "words    Thank you.",
        "may be contacted",
        "not to be contacted",
        "is deleted",
        "holds the recording",
        "no recording could be fetched",
    )
    assert [words in text for words, text in zip(wanted, said, strict=True)] == [True] * len(wanted)
    assert "contact  no, and no number in it" in said[3]


def test_a_request_nobody_could_read_shows_its_size_and_not_its_bytes() -> None:
    body = json.loads((SAMPLES / "unread.json").read_text())
    body["data"]["body_base64"] = base64.b64encode(b"\x1b]0;x\x07").decode()
    said = in_plain_lines(delivery_of(body))
    assert "size     6 bytes" in said
    assert body["data"]["body_base64"] not in said


@pytest.mark.parametrize("words", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("shown_in", [in_plain_lines, in_the_picture])
def test_no_terminal_obeys_what_a_reporter_typed(words: str, shown_in: Any) -> None:
    for body in BODIES:
        one = delivery_of({"type": words, "data": words_in(body["data"], words)})
        for hostile in (one, delivery_of({**body, "data": words_in(body["data"], words)})):
            said = shown_in(hostile)
            assert not obeyed(said)
            assert len(said) < 100_000
            assert "\nOne Helpline has" not in said


@pytest.mark.parametrize("words", HOSTILE.values(), ids=list(HOSTILE))
def test_whatever_a_command_prints_goes_through_one_place(words: str, capfd: pytest.CaptureFixture[str]) -> None:
    echo(words)
    TextDisplay(echo, dials="").phone(PhoneScreen(words, True, 1.0), "")
    TextDisplay(echo, dials="").reply(words, "")
    assert not obeyed(capfd.readouterr().out)


@pytest.mark.parametrize("data", [None, [], "x", 1, {"triage": []}, {"routing": {"to": [1, None, {"name": 2}]}}])
def test_a_delivery_of_another_shape_is_shown_with_what_it_has(data: Any) -> None:
    for kind in ("report.created", "report.message", "report.unread", "report.later"):
        assert "signature is good" in in_plain_lines(delivery_of({"type": kind, "data": data}))


def test_words_on_one_line_stay_readable() -> None:
    assert one_line("Ésé ’otua — 😀") == "Ésé ’otua — 😀"
    assert one_line("a\nb\tc") == "a␊b␉c"
    assert one_line("a" * 12, longest=10) == "a" * 10 + "… (2 more characters)"


def test_no_command_prints_past_that_place() -> None:
    past = [
        f"{name}: {dotted(node)}"
        for name, tree in modules("tokaut")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node) in ("click.echo", "click.secho", "click.style")
    ]
    assert past == ["tokaut/terminal.py: click.echo"]


def line(number: int, **changed: Any) -> bytes:
    body = {"type": "report.message", "data": {"kind": "words", "text": str(number)}}
    one = {"hotline": "vu-one", "at": 1.0, "headers": {"webhook-id": f"key-{number}"}, "body": body, **changed}
    return json.dumps(one).encode() + b"\n"


BROKEN = {
    "no UTF-8": b'{"hotline": "\xff\xfe"}\n',
    "no JSON": b"\x1b[31m not JSON\n",
    "empty": b"\n",
    "a list": b"[]\n",
    "a number": b"1\n",
    "deep": b"[" * 100_000 + b"\n",
    "no body": line(9, body=None),
    "no data": line(9, body={"type": "report.created", "data": None}),
    "no headers": line(9, headers={}),
    "no time": line(9, at="soon"),
    "1 MB that is nothing": b"x" * 1_000_000 + b"\n",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_line_is_reported_and_the_next_one_is_read(broken: bytes, tmp_path: Path) -> None:
    path = tmp_path / "received.jsonl"
    path.write_bytes(line(1) + broken + line(3))
    why: list[str] = []
    read = ReceivedDeliveries(path, unreadable=why.append)
    assert [one.key for one in read.new()] == ["key-1", "key-3"]
    assert len(why) == 1
    assert why[0].startswith(f"Line 2 of {path} is not a delivery")


def test_a_file_that_is_gone_has_nothing_new(tmp_path: Path) -> None:
    assert list(ReceivedDeliveries(tmp_path / "received.jsonl").new()) == []


class FailingDisplay:
    """A display that always fails, as on a closed terminal."""

    def __init__(self) -> None:
        self.calls = 0

    def _fail(self, *_: object) -> None:
        self.calls += 1
        raise OSError("the terminal is gone")

    phone = reply = hotline = _fail


def test_a_fault_of_the_display_is_said_once_and_goes_no_further(capsys: pytest.CaptureFixture[str]) -> None:
    falls = FailingDisplay()
    show: DemoDisplay = SafeDisplay(falls)
    show.phone(PhoneScreen("x", True, 1.0), "")
    show.reply("1", "")
    show.hotline(delivery_of(BODIES[0]))
    assert falls.calls == 3
    assert capsys.readouterr().err == "Something could not be displayed (OSError). The demo goes on.\n"


def test_what_supervises_goes_on_while_the_display_fails(tmp_path: Path) -> None:
    """The process that died ends it, not the display, which failed for each delivery and was called again."""
    path = tmp_path / "received.jsonl"
    path.write_bytes(line(1) + BROKEN["no JSON"] + line(3))
    falls = FailingDisplay()

    class Supervised(ProcessGroup):
        def check(self) -> None:
            if falls.calls == 2 or time.monotonic() > end:
                raise ProcessDied("the end of this test")

    end = time.monotonic() + 60
    with pytest.raises(ProcessDied):
        DeliveryWatch(Supervised("none", tmp_path), ReceivedDeliveries(path)).supervise(falls)
    assert falls.calls == 2


def test_a_terminal_without_our_letters_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner(charset="ascii").invoke(main, ["flows", "play", "--keys", "1", "--country", "xx\u201d\x1b"])
    assert not isinstance(result.exception, UnicodeError)
    assert "\x1b" not in result.output


def test_no_reader_of_deliveries_indexes_what_may_be_missing() -> None:
    """`data[...]` would end the demo at the first type without this field."""
    tree = ast.parse(Path(hotline_server.__file__).read_text())
    of_delivery = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "ReceivedDelivery")
    indexed = [ast.unparse(node) for node in ast.walk(of_delivery) if isinstance(node, ast.Subscript)]
    assert [one for one in indexed if "data" in one] == []
