"""All processes are real: a duty phone gets a text about a report and replies, and the reporter can read that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reports.countries.country import SHIPPED_FOLDER
from tests.support.handsets import AfricasTalkingTexts
from tests.support.installation import Installation
from tests.support.wait import until

pytestmark = pytest.mark.slow

FIRST, SECOND = "+6785550181", "+6785550182"
WORDS = "the neighbour's boat is painted blue again"
IN_DANGER = ("Report", "Now", "Go on", "Bullying, threats", "Shefa", "Me", "No", "Send")
CODE = re.compile(r"Code (\d{4}) (\d{4}),?\s+PIN (\d{4})")
TEXT = re.compile(r"DRILL [0-9a-f]{6}, P1, waits\. Please look at your reports\. You have it\? Answer OK (\d{6})")


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """An installation whose child helpline has two duty phones and no server."""
    first, *rest = (SHIPPED_FOLDER / "vu.toml").read_text().split('delivery = "webhook"', 1)
    card = rest[0].replace("drills_to = []", f'drills_to = ["{FIRST}", "{SECOND}"]', 1)
    (tmp_path / "vu.toml").write_text(f'{first}delivery = "sms_alert"{card}')
    made = Installation()
    settings = {name: value for name, value in made.environment.items() if "HOTLINE_VU_PIKININI_" not in name}
    settings |= {"COUNTRIES": "vu", "TOKAUT_COUNTRY_DIR": str(tmp_path)}
    settings = {name: value for name, value in settings.items() if not re.match("HOTLINE_(FJ|KE)_", name)}
    settings |= {"HOTLINE_VU_PIKININI_CHANNEL": "africastalking", "HOTLINE_VU_PIKININI_FROM": "163"}
    made.plan = replace(made.plan, settings=settings)
    yield made.up()
    made.down()


@pytest.mark.rule("S-27")
def test_a_report_a_text_an_answer_and_the_state(installation: Installation) -> None:
    phone = installation.ussd_phone("africastalking", "+6785550111")
    screen = phone.dial().text
    for reply in IN_DANGER:
        screen = phone.type(reply).text
    code = CODE.search(screen)
    assert code, screen
    phone.type(WORDS)
    until(lambda: len(installation.provider.to(FIRST)) > 0, "no duty phone was texted", seconds=60)
    word = TEXT.fullmatch(installation.provider.to(FIRST)[0])
    assert word, installation.provider.to(FIRST)
    there = "Pikinini Helpline has it. Not read yet. In danger? Call police 111."
    until(lambda: state(installation, code) == there, "the text is out, and it is still on its way", seconds=30)
    desk = installation.sms_phone("africastalking", FIRST)
    assert isinstance(desk, AfricasTalkingTexts)
    desk.text(f"Ok {word[1]}")
    until(lambda: state(installation, code).startswith("Read by Pikinini Helpline."), "it is not taken on", seconds=60)
    assert installation.provider.to(SECOND) == []
    said = [text for _, text in installation.provider.sent]
    logs = "".join(installation.log(name).read_text() for name in installation.processes)
    for secret in (WORDS, "boat", "+6785550111", *code.groups()[2:]):
        assert not re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", " ".join(said))
        assert f'"{secret}"' not in logs
    assert FIRST not in logs
    assert WORDS not in logs


def state(installation: Installation, code: re.Match[str]) -> str:
    """Return the first line of My report."""
    phone = installation.ussd_phone("africastalking", "+6785550112")
    phone.dial()
    phone.type("My report")
    phone.type(code[1] + code[2])
    return phone.type(code[3]).text.split("\n")[0]
