"""The page on Twilio: its settings start live mode, and Twilio's signature is accepted at its addresses."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from gateway.channels import twilio as way_in
from gateway.messaging import parsing
from gateway.messaging.model import RawRequest
from runtime.settings import Mode, load_settings
from tests.docs.pages import part, read
from tests.support.twilio import Account
from workers.senders import twilio as way_out

PAGE = "docs/connect-twilio.md"
ADDRESS = re.compile(r"\| `(https://[^`]+)` \|")
RANGES = {"ct": (100, 10_000), "rt": (100, 15_000), "tt": (100, 15_000), "rc": (0, 5)}  # limits from Twilio's page


def environment(folder: Path, token: str) -> dict[str, str]:
    """Return the page's settings, with the token in a file of this test."""
    lines = [line.partition("=") for line in part(PAGE, "settings").splitlines() if "=" in line]
    told = {name: value for name, _, value in lines} | {"TOKAUT_MODE": "live"}
    path = folder / "token"
    path.write_text(token)
    path.chmod(0o400)
    assert told["TWILIO_AUTH_TOKEN_FILE"].startswith("/etc/tokaut/")
    return told | {"TWILIO_AUTH_TOKEN_FILE": str(path)}


def test_the_settings_start_live_mode(tmp_path: Path) -> None:
    told = environment(tmp_path, "f" * 32)
    assert load_settings(way_in.Settings, told).public_url == "https://tokaut.example"
    assert way_out.Sender(load_settings(way_out.Settings, told), Mode.LIVE)


def test_the_addresses_are_doors_and_their_overrides_are_possible(tmp_path: Path) -> None:
    told = environment(tmp_path, "f" * 32)
    channel = way_in.Channel(load_settings(way_in.Settings, told))
    account = Account(told["TWILIO_ACCOUNT_SID"], "f" * 32)
    addresses = ADDRESS.findall(part(PAGE, "addresses"))
    assert {urlsplit(one).path.removeprefix("/hooks/twilio/") for one in addresses} == set(channel.endpoints)
    for address in addresses:
        called, _, overrides = address.partition("#")
        fields = {"AccountSid": account.sid, "MessageSid": "SM" + "1" * 32, "MessageStatus": "sent"}
        fields |= {"From": "+6785550101", "To": "+6785550102", "Body": ""}
        fields |= {"CallSid": "CA" + "1" * 32, "CallStatus": "ringing"}
        body = "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in fields.items()).encode()
        headers = {"x-twilio-signature": account.sign(called, fields)}
        wire = RawRequest("POST", urlsplit(called).path, headers, body)
        assert channel.verify_signature(wire, parsing.read(channel.endpoints["sms"], wire))
        for name, value in parse_qsl(overrides):
            least, most = RANGES.get(name, (0, 0))
            assert least <= int(value) <= most if name in RANGES else (name, value) == ("rp", "all")


def test_the_table_of_errors_is_the_senders() -> None:
    rows = [row for row in read(PAGE).splitlines() if re.match(r"\| \d{5}", row)]
    named = {int(code) for row in rows for code in re.findall(r"\b\d{5}\b", row.split("|")[1])}
    assert named == set(way_out.CODES)
