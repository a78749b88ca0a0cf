"""Plays each transcript through every channel of its kind, over real HTTP, against a whole installation."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.handsets import Screen
from tests.support.installation import Installation
from tests.support.wait import until
from tests.transcripts.script import DEFAULT_CODE, Step, expected, inside, read

FOLDER = Path(__file__).parent
USSD_CHANNELS = ("africastalking", "ussd", "simulator", "kannel")
SMS_CHANNELS = ("africastalking", "simulator", "kannel", "twilio")
ENGLISH_ALONE = {"africastalking_voice"}  # without recordings it offers only English on the home screen
VOICE_CHANNELS = ("twilio_voice", "africastalking_voice")
DIGITS = {
    "africastalking": "1",
    "ussd": "2",
    "simulator": "3",
    "kannel": "4",
    "twilio": "5",
    "twilio_voice": "6",
    "africastalking_voice": "7",
}  # one digit of the phone numbers
USSD = sorted((FOLDER / "ussd").glob("*.txt"))
SMS = sorted((FOLDER / "sms").glob("*.txt"))
VOICE = sorted((FOLDER / "voice").glob("*.txt"))
RECORDINGS = sorted((FOLDER / "recordings").glob("*.txt"))
RECORD = os.environ.get("RECORD_TRANSCRIPTS") == "1"  # write the screens into the files, to review and commit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    installation = Installation().up()
    installation.start_console()  # for callbacks of a hotline's system
    yield installation
    installation.down()


@pytest.mark.product(parts=4)
@pytest.mark.parametrize("channel", USSD_CHANNELS)
@pytest.mark.parametrize("path", USSD, ids=lambda path: path.stem)
def test_ussd(installation: Installation, path: Path, channel: str) -> None:
    call(installation, path, channel, "ussd")


@pytest.mark.parametrize("channel", VOICE_CHANNELS)
@pytest.mark.parametrize("path", VOICE, ids=lambda path: path.stem)
def test_voice(installation: Installation, path: Path, channel: str) -> None:
    if channel in ENGLISH_ALONE and (RECORD or path.stem == "language"):
        pytest.skip("it has no voice of another language")
    call(installation, path, channel, "voice")


@pytest.fixture(scope="module")
def recording_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose country file allows recordings."""
    folder = tmp_path_factory.mktemp("countries")
    shipped = Path("reports/countries/vu.toml").read_text(encoding="utf-8")
    (folder / "vu.toml").write_text(shipped.replace("[[code]]", "[voice]\nrecordings = true\n\n[[code]]", 1))
    installation = Installation({"TOKAUT_COUNTRY_DIR": str(folder)}).up()
    yield installation
    installation.down()


@pytest.mark.parametrize("channel", VOICE_CHANNELS)
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_recordings(recording_installation: Installation, path: Path, channel: str) -> None:
    if channel in ENGLISH_ALONE and RECORD:
        pytest.skip("it has no voice of another language")
    call(recording_installation, path, channel, "voice")
    left = [one for one in recording_installation.twilio.stored if one.startswith("/2010-04-01/")]
    until(
        lambda: not [one for one in left if one in recording_installation.twilio.stored], "it stays at the provider", 60
    )


def source_of(installation: Installation, channel: str, name: str) -> str:
    """Store a recording at the provider of a channel; return the provider's id or address of it."""
    if channel == "twilio_voice":
        source = f"RE{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        installation.twilio.twilio(source)
        return source
    installation.twilio.africastalking(name)
    return f"{installation.twilio.url}/recordings/{name}.mp3"


def call(installation: Installation, path: Path, channel: str, kind: str) -> None:
    player = TranscriptPlayer(installation, path, kind)
    player.is_english_alone = channel in ENGLISH_ALONE
    handset = installation.ussd_phone(channel, player.phone(channel), player.code)
    for step in player.steps:
        if step.verb == "dial":
            player.saw(step, handset.dial())
        elif step.verb == "type":
            player.saw(step, handset.type(player.filled(step.said)))
        elif step.verb == "again":
            assert handset.again() == player.last, f"line {step.line}: the repeat was answered differently"
        elif step.verb == "wait":
            player.saw(step, handset.silence())
        elif step.verb == "line gone":
            handset.drop_call()
        elif step.verb == "speaks":
            player.saw(step, handset.speak(source_of(installation, channel, f"{path.stem}{step.line}")))
        elif step.verb == "cut off":
            handset.hang_up_while_speaking(source_of(installation, channel, f"{path.stem}{step.line}"))
        elif step.verb == "hotline":
            player.hotline_gets(step)
        elif step.verb == "staff":
            player.staff_write(step)
        elif step.verb == "closes":
            player.hotline_closes(step)
    player.ends()


@pytest.mark.product(parts=4)
@pytest.mark.parametrize("channel", SMS_CHANNELS)
@pytest.mark.parametrize("path", SMS, ids=lambda path: path.stem)
def test_sms(installation: Installation, path: Path, channel: str) -> None:
    player = TranscriptPlayer(installation, path, "sms")
    handset = installation.sms_phone(channel, player.phone(channel), player.code)
    for step in player.steps:
        had = len(_replies(handset))
        if step.verb == "text":
            handset.text(player.filled(step.said))
            if step.seen or RECORD:
                wait = 1 if RECORD else 20
                arrived = _arrives(lambda had=had: len(_replies(handset)) > had, wait)
                player.saw(step, Screen(_replies(handset)[-1], True) if arrived else Screen("", True))
        elif step.verb == "again":
            handset.again()
        elif step.verb == "hotline":
            player.hotline_gets(step)
        elif step.verb == "staff":
            player.staff_write(step)
        elif step.verb == "closes":
            player.hotline_closes(step)
    player.ends()
    texts = sum(bool(step.seen) for step in player.steps if step.verb == "text")
    assert len(_replies(handset)) == texts, "more replies came than the transcript shows"
    wrote = sum(step.verb == "staff" for step in player.steps)
    assert len(handset.replies()) - texts <= wrote, "somebody was told to dial whom nobody had answered"


def _replies(handset: Any) -> list[str]:
    """Return the replies without the answer notice, which comes by itself within the safe hours."""
    return [text for text in handset.replies() if not text.startswith("Hello. Please dial ")]


def _arrives(true: Any, seconds: float) -> bool:
    try:
        until(true, "no reply", seconds)
    except AssertionError:
        return False
    return True


class TranscriptPlayer:
    """One transcript and its progress."""

    def __init__(self, installation: Installation, path: Path, kind: str) -> None:
        self.installation = installation
        self.path = path
        steps = read(path)
        own = f"+6785550{500 + [*USSD, *SMS, *VOICE, *RECORDINGS].index(path)}"
        self._phone = next((step.said for step in steps if step.verb == "phone"), own)
        self.code = next((step.said for step in steps if step.verb == "code"), DEFAULT_CODE[kind])
        self.steps = steps
        self.last = Screen("", True)
        self.is_english_alone = False
        self.before = {line["headers"]["webhook-id"] for line in installation.received()}
        self.others = {line["body"]["data"]["report_id"] for line in installation.received()}
        self.taken: set[str] = set()
        self.shown = {"code": "", "pin": "", "wrong pin": ""}

    def phone(self, channel: str) -> str:
        """Return a number of this transcript and channel, so that they share no sessions or reports."""
        number = DIGITS[channel]
        return self._phone[:-4] + number + self._phone[-3:]

    def filled(self, said: str) -> str:
        """Replace `{code}`, `{pin}` and `{wrong pin}` by the values that this transcript was shown."""
        return said.format(**self.shown) if said in ("{code}", "{pin}", "{wrong pin}") else said

    def saw(self, step: Step, seen: Screen) -> None:
        self.last = seen
        if found := re.search(r"(?:Code|Kod) (\d{4} \d{4}),?\s+PIN (\d{4})", seen.text):
            wrong = f"{(int(found[2]) + 1) % 10_000:04}"
            self.shown = {"code": found[1], "pin": found[2], "wrong pin": wrong}
        if RECORD:
            lines = re.sub(r"((?:Code|Kod) )\d{4} \d{4}", r"\1#### ####", seen.text)
            lines = re.sub(r"(PIN )\d{4}", r"\1####", lines)
            step.seen = (lines.split("\n") if lines else []) + ([] if seen.expects_reply else ["[ends]"])
            return
        screen = (
            re.sub("^5 Language.*\n", "", step.screen, flags=re.MULTILINE) if self.is_english_alone else step.screen
        )
        pattern = re.escape(screen).replace(r"\#\#\#\#", r"\d{4}")
        assert re.fullmatch(pattern, seen.text), f"line {step.line}:\n{seen.text}\n--- is not ---\n{step.screen}"
        assert seen.expects_reply is not step.ends, f"line {step.line}: the session goes on: {seen.expects_reply}"

    def hotline_gets(self, step: Step) -> None:
        if RECORD:
            return
        hotline, _, kind = step.said.partition(" gets ")
        wanted = {name: expected(said) for name, _, said in (line.partition(" ") for line in step.seen)}

        def came() -> bool:
            return any(self._is(line, hotline, kind, wanted) for line in self._new())

        until(came, f"line {step.line}: {step.said} never came; came: {self._summary()}", 120)
        line = next(line for line in self._new() if self._is(line, hotline, kind, wanted))
        self.taken.add(line["headers"]["webhook-id"])
        until(lambda: self._is_marked(line["headers"]["webhook-id"]), f"line {step.line}: the receipt is not kept", 120)

    def _is_marked(self, key: str) -> bool:
        """Return whether the worker has recorded the receipt, on which My report depends.

        A deleted report has no delivery any more once the last receipt is recorded.
        """
        database = self.installation.plan.folder.inside / "tokaut.db"
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as kept:
            query = "SELECT state FROM delivery WHERE delivery_id = ?"
            return kept.execute(query, (key,)).fetchone() in (("delivered",), None)

    def staff_write(self, step: Step) -> None:
        """Store an answer of the hotline, as the operator does by `tokaut message put`."""
        until(lambda: bool(self._mine()), f"line {step.line}: no hotline has the report", 30)
        command = [sys.executable, "-m", "tokaut", "message", "put", self._mine()[-1]]
        words = step.said.encode()
        done = subprocess.run(command, input=words, env=self.installation.environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def hotline_closes(self, step: Step) -> None:
        """Send a callback of the hotline's system that closes the case."""
        until(lambda: bool(self._mine()), f"line {step.line}: no hotline has the report", 30)
        assert self.installation.hotline_client(step.said).call(self._mine()[-1], "closed").status_code == 200

    def _mine(self) -> list[str]:
        """Return the ids of this transcript's reports that a hotline has, newest last."""
        ids = (line["body"]["data"]["report_id"] for line in self.installation.received())
        return [one for one in ids if one not in self.others]

    def ends(self) -> None:
        if RECORD:
            self._write()
            return
        left = [line for line in self._new() if not (self._is_of_another(line) or self._is_outdated(line))]
        assert not left, f"the hotlines got more than the story says: {self._summary()}"

    def _is_of_another(self, line: dict[str, Any]) -> bool:
        return line["body"]["data"]["report_id"] in self.others

    def _is_outdated(self, line: dict[str, Any]) -> bool:
        """Return whether the transcript names a later update that contains this one, submitted in between."""
        data = line["body"]["data"]
        later = [
            one["body"]["data"]
            for one in self.installation.received()
            if one["headers"]["webhook-id"] in self.taken and one["hotline"] == line["hotline"]
        ]
        return line["body"]["type"] == "report.updated" and any(
            (one["report_id"], one["revision"] > data["revision"]) == (data["report_id"], True) for one in later
        )

    def _new(self) -> list[dict[str, Any]]:
        ids = self.before | self.taken
        return [line for line in self.installation.received() if line["headers"]["webhook-id"] not in ids]

    def _is(self, line: dict[str, Any], hotline: str, kind: str, wanted: dict[str, object]) -> bool:
        body = line["body"]
        right = line["hotline"] == hotline and body["type"] == kind
        return right and all(inside(body, name) == value for name, value in wanted.items())

    def _summary(self) -> list[str]:
        return [f"{line['hotline']} {line['body']['type']}" for line in self._new()]

    def _write(self) -> None:
        seen = {step.line: step.seen for step in self.steps if step.verb in ("dial", "type", "text", "wait", "speaks")}
        lines = []
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            inside_seen = line.startswith("    ") and max((n for n in seen if n < number), default=0) > max(
                (step.line for step in self.steps if step.line < number and step.line not in seen), default=0
            )
            if not inside_seen:
                lines.append(line)
            lines += [f"    {one}" for one in seen.get(number, ())]
        self.path.write_text("\n".join(lines) + "\n")
