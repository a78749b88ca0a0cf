"""S-27: words, numbers, codes and secrets are in no log, exception, queue, metric, file or title, also after errors."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from reports.countries.country import load_countries
from tests.canary import drive, faults, places
from tests.canary.planted import (
    ANSWER,
    ATTACKER,
    PICTURE,
    PLACE,
    PLACE_CODE,
    SENTENCE,
    SPOKEN,
    WORDS,
    Planted,
    SearchPattern,
)
from tests.support.installation import Installation
from tests.support.wait import until

pytestmark = pytest.mark.slow

COUNTRIES = Path(__file__).parents[2] / "reports" / "countries"
PHONES = {
    "africastalking": "+6785550121",
    "ussd": "+6785550122",
    "simulator": "+6785550123",
    "kannel": "+6785550124",
}
TEXTS = {"africastalking": "+6785550131", "simulator": "+6785550132", "kannel": "+6785550133", "twilio": "+6785550135"}
VOICES = {"twilio_voice": "+6785550141", "africastalking_voice": "+6785550142"}
ASKS, RINGS, CALLED = "+6785550151", "+6785550152", "+6785550000"  # phones that ask for a call, and the called number
IN_FAULTS = ("+6785550111", "+6785550112", "+6785550113", "+6785550199")
IN_THE_ADDRESS = "+6785550134"  # Kannel by GET has the words in the query
SECRET = re.compile(r"KEY|TOKEN|SECRET")


@dataclass
class Run:
    installation: Installation
    planted: Planted
    temporary: Path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Act once as all people and faults do; the tests search what is left."""
    countries, temporary = tmp_path_factory.mktemp("countries"), tmp_path_factory.mktemp("temporary")
    shipped = (COUNTRIES / "vu.toml").read_text()
    more = f'[voice]\nrecordings = true\n\n[call_back]\nmissed_call_numbers = ["{CALLED}"]\n\n[[code]]'
    here = shipped.replace("Shefa", PLACE).replace("VU-SEE", PLACE_CODE).replace("[[code]]", more, 1)
    (countries / "vu.toml").write_text(here)
    load_countries(["vu"], "demo", countries)
    installation = Installation({"TOKAUT_COUNTRY_DIR": str(countries), "TMPDIR": str(temporary)})
    try:
        yield Run(installation, played(installation.up()), temporary)
    finally:
        installation.down()


def played(installation: Installation) -> Planted:
    planted = plant(installation)
    for channel, phone in PHONES.items():
        code, pin = drive.report(installation.ussd_phone(channel, phone), planted, channel)
        drive.my_report(installation.ussd_phone(channel, phone), code, pin)
    for channel, phone in VOICES.items():
        drive.report_by_voice(installation, channel, phone, planted)
    drive.calls_me(installation, ASKS, RINGS, CALLED)
    again = drive.walk(installation.ussd_phone("simulator", PHONES["simulator"]), *drive.TO_SEND, "Send")
    drive.code_and_pin(again, planted, "simulator again")  # a report that is linked with the one before
    for n, name in enumerate(places.hashes_of_phones(installation)):
        planted.add(f"hash of a phone {n}", name)
    assert "hash of a phone 4" in planted.texts
    for channel, phone in TEXTS.items():
        drive.report_by_sms(installation.sms_phone(channel, phone), planted, f"SMS {channel}")
    by_get = replace(installation.sms_phone("kannel", IN_THE_ADDRESS), by="GET")
    drive.report_by_sms(by_get, planted, "SMS kannel by GET")
    installation.until_received(
        lambda lines: sum(WORDS[0] in line["raw"] for line in lines) >= len(PHONES) + len(TEXTS) + 1,
        "the words never reached the hotline",
        60,
    )
    installation.until_received(
        lambda lines: sum('"kind":"recording"' in line["raw"] for line in lines) >= 2 * len(VOICES),
        "the recordings never reached the hotline",
        60,
    )
    until(
        lambda: not [path for path in installation.twilio.stored if "2010-04-01" in path],
        "they stay at the provider",
        60,
    )
    faults.everything(installation)
    return planted


def plant(installation: Installation) -> Planted:
    planted = Planted(pids=installation.numbers_of_processes)
    for n, word in enumerate((SENTENCE, *WORDS)):
        planted.add(f"words {n}", word)
    planted.add("place", PLACE)
    planted.add("picture", PICTURE)
    planted.add("place's code", PLACE_CODE)
    planted.add("hotline's answer", ANSWER)
    planted.add("spoken words", SPOKEN)
    planted.add("attacker's words", ATTACKER)
    for phone in (*PHONES.values(), *TEXTS.values(), *VOICES.values(), ASKS, RINGS, IN_THE_ADDRESS, *IN_FAULTS):
        planted.add(f"number {phone}", phone.removeprefix("+"))
        planted.add(f"local number {phone}", phone.removeprefix("+678"))
    for name, value in installation.environment.items():
        if SECRET.search(name) and not name.endswith("_FILE"):
            planted.add(f"secret {name}", value)
    pepper = (installation.plan.folder.inside / "pepper").read_text()
    for n, line in enumerate(found for found in re.findall(r"[A-Za-z0-9_-]{40,}", pepper)):
        planted.add(f"secret pepper {n}", line)
    for key in (installation.plan.folder.inside / "keys").rglob("*.key"):
        inner = "".join(line for line in key.read_text().splitlines() if not line.startswith("-"))
        planted.add(f"secret key {key.parent.name}", inner)
    assert {"secret TOKAUT_STORE_KEY", "secret TOKAUT_SESSION_KEY", "secret pepper 0"} <= planted.texts.keys()
    return planted


def hits(found: Iterable[tuple[str, bytes]], patterns: list[SearchPattern]) -> list[str]:
    looked_at = 0
    where = []
    same: dict[SearchPattern, list[SearchPattern]] = {}  # digits are the same in most encodings
    for pattern in patterns:
        same.setdefault(pattern.unnamed, []).append(pattern)
    for place, held in found:
        looked_at += 1
        standing = (pattern for one, patterns in same.items() if one.stands_in(held) for pattern in patterns)
        where += [f"{pattern.name} ({pattern.how}) in {place}" for pattern in standing]
    assert looked_at, "there was nothing to look at"
    return where


def all_but(*names: str) -> Callable[[str], bool]:
    return lambda name: not name.startswith(names)


@pytest.mark.rule("S-27")
@pytest.mark.rule("X-23")
@pytest.mark.rule("A-46")
def test_the_logs(run: Run) -> None:
    assert hits(places.logs(run.installation), run.planted.patterns()) == []


@pytest.mark.rule("S-27")
def test_the_pages_for_the_operator(run: Run) -> None:
    """Only names of metrics are searched: a value may be any number. The attacker's priority is a name there."""
    found = [
        (place, re.sub(rb" [0-9.e+-]+$", b"", held, flags=re.MULTILINE))
        for place, held in places.pages(run.installation)
    ]
    assert hits(found, run.planted.patterns(all_but("attacker's"))) == []


@pytest.mark.rule("S-27")
@pytest.mark.rule("S-14")
def test_redis(run: Run) -> None:
    """Redis may contain the attacker's own words and the hashes of the phones."""
    assert hits(places.in_redis(run.installation), run.planted.patterns(all_but("attacker's", "hash"))) == []


@pytest.mark.rule("S-27")
@pytest.mark.rule("S-14")
@pytest.mark.rule("X-09")
def test_the_files(run: Run) -> None:
    """Database, WAL, spool, append-only file, metrics, logs, temporary files, and all names of files."""
    looked_at = [place for place, _ in places.files(run.installation, run.temporary)]
    for ending in ("tokaut.db", "tokaut.db-wal", ".aof", "web.log", ".db"):
        assert any(place.endswith(ending) for place in looked_at), f"{ending} was not looked at"
    patterns = run.planted.patterns(all_but("attacker's", "hash"))
    assert hits(places.files(run.installation, run.temporary), patterns) == []


@pytest.mark.rule("S-27")
@pytest.mark.rule("X-30")
def test_the_processes(run: Run) -> None:
    """The same account sees secrets in the environment, if they were set there; words and numbers are never visible."""
    assert set(places.processes(run.installation).values()) == set(run.installation.processes)
    assert hits(places.proc(run.installation), run.planted.patterns()) == []
    assert hits(places.environments(run.installation), run.planted.patterns(all_but("secret"))) == []


@pytest.mark.rule("S-27")
def test_what_processes_hold_open(run: Run) -> None:
    assert hits(places.open_files(run.installation), run.planted.patterns(all_but("attacker's", "hash"))) == []


def test_no_process_left_its_memory_on_the_disk(run: Run) -> None:
    folders = (Path.cwd(), run.installation.folder, run.installation.plan.folder.inside, run.temporary)
    assert [path for folder in folders for path in folder.glob("core*") if path.is_file()] == []


@pytest.mark.parametrize(
    "name",
    [
        "sms_unparsed",
        "ussd_requests_unparsed",
        "request_errors",
        "reports_spooled",
        "reports_not_stored",
        "sms_stored_until_redis_returns",
    ],
)
def test_each_fault_was_met(run: Run, name: str) -> None:
    assert faults.figure(run.installation, name) > 0


def test_the_spool_was_emptied_after_all(run: Run) -> None:
    spool = run.installation.plan.folder.inside / "spool"
    until(lambda: not list(spool.glob("*.box")), "the spool is still full", 60)


# Control: the same search finds text that is there on purpose.


@pytest.mark.parametrize("how", ["plain", "percent", "base64", "utf-16", "json", "reversed"])
def test_a_sentence_in_a_log_is_found(run: Run, how: str) -> None:
    mine = [pattern for pattern in run.planted.patterns() if pattern.name == "words 0" and pattern.how == how]
    for pattern in mine:
        log = run.installation.log("control")
        log.write_bytes(b'{"event":"oops ' + pattern.raw + b'"}\n')
        found = hits(places.logs(run.installation), run.planted.patterns())
        log.unlink()
        assert f"words 0 ({how}) in control.log" in found


@pytest.mark.parametrize("name", ["PIN", "code ussd", "number +6785550121", "secret USSD_TOKEN", "picture"])
def test_a_number_in_a_log_is_found(run: Run, name: str) -> None:
    if name == "PIN":
        name = next(one.name for one in run.planted.patterns() if one.name.startswith("PIN ") and one.how == "plain")
    text = run.planted.texts[name]
    for said in (f'{{"event":"oops {text}"}}', f"({text})", base64.b64encode(f"xy {text} z".encode()).decode()):
        if len(text) > 4 or text in said:
            assert any(hit.startswith(f"{name} (") for hit in hits([("here", said.encode())], run.planted.patterns()))


@pytest.mark.parametrize("before", ["", "x", "xy", "5", "a1", "e9f"])
def test_a_code_is_found_in_base64_whatever_stands_around_it(before: str) -> None:
    """Neighbouring text changes the letters beside it, which may then look like digits of a longer number."""
    for code in range(100_000_000, 1_000_000_000, 1_234_567):
        said = base64.b64encode(f"{before}{code} z".encode())
        assert "code (base64) in here" in hits([("here", said)], Planted({"code": str(code)}).patterns()), code


def test_words_in_a_reply_to_a_caller_are_permitted_only_there(run: Run) -> None:
    """The search is able to find them: the hotline's file and the provider's list contain what they should."""
    told = run.installation.plan.folder.received.read_bytes()
    assert hits([("received", told)], run.planted.patterns(lambda name: name == "words 1"))
    assert any("Code " in text for _, text in run.installation.provider.sent)


def test_the_sound_of_recordings_is_where_it_should_be(run: Run) -> None:
    """The search is able to find it: the hotline's file contains it."""
    told = run.installation.plan.folder.received.read_bytes()
    assert hits([("received", told)], run.planted.patterns(lambda name: name == "spoken words"))
    assert not hits([("received", told)], run.planted.patterns(lambda name: name.startswith("recording ")))
