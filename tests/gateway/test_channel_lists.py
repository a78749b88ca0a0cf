"""Each handwritten list of channels names every file of gateway/channels (docs/add-a-channel.md)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import gateway.channels
from runtime.settings import load_settings
from runtime.settings.processes import CommonSettings
from tests.bad_inputs import test_all_endpoints as all_endpoints
from tests.canary import test_canary as canary
from tests.faults.fuzz import webhooks as fuzz
from tests.safeguarding import call_paths
from tests.safeguarding import test_second_person as second_person
from tests.safeguarding import test_two_people as two_people
from tests.safeguarding import test_voice as voice
from tests.security import test_codes_at_rest as codes_at_rest
from tests.transcripts import test_transcripts as transcripts

FOLDER = Path(gateway.channels.__path__[0])
CHANNELS: dict[str, Any] = {
    path.stem: import_module(f"gateway.channels.{path.stem}").Channel
    for path in FOLDER.glob("*.py")
    if path.stem != "__init__"
}
ALL = set(CHANNELS)
USSD = {name for name, channel in CHANNELS.items() if "ussd" in channel.limits}
SMS = {name for name, channel in CHANNELS.items() if "sms" in channel.limits}
VOICE = {name for name, channel in CHANNELS.items() if "voice" in channel.limits}
TOKEN = {name for name, channel in CHANNELS.items() if channel.token}
SIMULATOR = {name for name, channel in CHANNELS.items() if channel.is_simulator}

LISTS = {
    "two people call from one phone": (
        {name.partition(",")[0] for name in two_people.CALLS},
        (USSD | VOICE) - SIMULATOR,
    ),
    "two people text from one phone": (set(two_people.TEXTS), SMS - SIMULATOR),
    "the second person calls": ({ussd for ussd, _ in second_person.CHANNELS}, USSD - SIMULATOR),
    # test_two_people covers texts over Twilio.
    "the second person texts": ({sms for _, sms in second_person.CHANNELS}, SMS - {"twilio"}),
    "call_paths": (set(call_paths.CHANNELS), USSD),
    "transcripts of calls": (set(transcripts.USSD_CHANNELS), USSD),
    "transcripts of spoken calls": (set(transcripts.VOICE_CHANNELS), VOICE),
    "stories of spoken calls": (set(voice.CHANNELS), VOICE),
    "transcripts of texts": (set(transcripts.SMS_CHANNELS), SMS),
    "phone numbers of the transcripts": (set(transcripts.DIGITS), ALL),
    "leaks of calls": (set(canary.PHONES), USSD),
    "leaks of texts": (set(canary.TEXTS), SMS),
    "leaks of spoken calls": (set(canary.VOICES), VOICE),
    "codes at rest": (set(codes_at_rest.CHANNELS), USSD),
    "endpoints of the fuzzer": (
        set(fuzz.WRITTEN),
        {(name, endpoint) for name, channel in CHANNELS.items() for endpoint in channel.endpoints},
    ),
    "tokens of the fuzzer": (set(fuzz.TOKENS), TOKEN),
    "signatures of the fuzzer": (set(fuzz.SIGNED), ALL - TOKEN - SIMULATOR),
    "bad inputs": ({door.partition("/")[0] for door in (*all_endpoints.EVERY_DOOR, *all_endpoints.KANNEL)}, TOKEN),
}


@pytest.mark.parametrize(("listed", "channels"), LISTS.values(), ids=LISTS)
def test_a_list_names_every_channel(listed: set[Any], channels: set[Any]) -> None:
    assert listed == channels


def test_a_demo_opens_every_channel() -> None:
    assert set(load_settings(CommonSettings, {}).channels) == ALL
