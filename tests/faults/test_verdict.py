"""The verdict on made-up records: it must detect each fault."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.faults import differing_answers, kills
from tests.faults.caller_script import kept_words, make_script
from tests.faults.experiment import SIZES
from tests.faults.verdict import Verdict, bound, compare_records

ONE, TWO = "+6785000001", "+6785000002"


def sent(marker: str, code: str | None = "4821 9303 7350") -> dict[str, Any]:
    return {"event": "sent", "marker": marker, "code": code, "posted_at": 10.0, "at": 10.1}


def arrival(key: str, phone: str | None = ONE, **more: Any) -> dict[str, Any]:
    line = {"at": 10.4, "hotline": "vu-pikinini", "key": key, "type": "report.created", "report_id": f"of {phone}"}
    return line | {"revision": 1, "completeness": "complete", "phone": phone, "words": None} | more


def compared(callers: list[dict[str, Any]], hotline: list[Mapping[str, Any]], marked: tuple[str, ...] = ()) -> Verdict:
    return compare_records(callers, hotline, [{"event": "killed", "process": "web"}], marked)


def test_one_sent_and_come() -> None:
    verdict = compared([sent(ONE)], [arrival("k1"), arrival("k1")], ("k1",))
    assert not verdict.bad
    assert (verdict.sent, verdict.repeats, verdict.unconfirmed, dict(verdict.kills)) == (1, 1, 0, {"web": 1})
    assert verdict.seconds == [pytest.approx(0.4)]
    late = compare_records([sent(ONE)], [arrival("k1")], [], moved_at=10.3)
    assert (late.seconds, late.late, late.bad) == ([], 1, False)


@pytest.mark.parametrize(
    "hotline",
    [
        [],
        [arrival("k1", TWO)],
        [arrival("k1", completeness="incomplete")],  # the incomplete report came, the complete one did not
    ],
)
def test_sent_and_not_come_is_lost(hotline: list[Mapping[str, Any]]) -> None:
    assert compared([sent(ONE)], hotline).lost == [f"report {ONE}"]


def test_a_report_without_its_number_is_known_by_its_words() -> None:
    """A repeated SMS changed the contact answer from Yes to No: the report is not lost."""
    said = sent(ONE) | {"words": "note 00001 abcd"}
    assert not compared([said], [arrival("k1", None, words="note 00001 abcd")]).lost
    for other in ({"words": "note 00002 abcd"}, {"words": "note 00001 abcd", "completeness": "incomplete"}):
        assert compared([said], [arrival("k1", None, **other)]).lost == [f"report {ONE}"]


def test_what_came_later_as_a_revision_is_not_lost() -> None:
    update = arrival("k2", type="report.updated", revision=2)
    assert not compared([sent(ONE)], [arrival("k1", completeness="incomplete"), update]).bad


def test_words_that_were_taken_must_come() -> None:
    kept = {"event": "kept", "marker": ONE, "words": "note 00001 abcd"}
    assert compared([sent(ONE), kept], [arrival("k1")]).lost == [f"words note 00001 abcd of {ONE}"]
    for words in ("note 00001 abcd", "note 00001 abcd*00"):
        assert not compared([sent(ONE), kept], [arrival("k1", words=words)]).bad


def test_marked_as_delivered_and_not_come_is_lost() -> None:
    assert compared([sent(ONE)], [arrival("k1")], ("k1", "k2")).lost == ["delivery k2"]


@pytest.mark.parametrize(
    ("second", "is_twice"),
    [
        (arrival("k2"), True),
        (arrival("k2", report_id="another report of the same caller"), True),
        (arrival("k2", hotline="vu-police"), False),
        (arrival("k2", type="report.updated", revision=2), False),
        (arrival("k2", TWO), False),
    ],
)
def test_two_keys_for_one_thing_are_twice(second: Mapping[str, Any], is_twice: bool) -> None:
    assert bool(compared([sent(ONE)], [arrival("k1"), second]).duplicates) == is_twice


def test_two_keys_for_one_revision_are_twice() -> None:
    updates = [arrival(key, type="report.updated", revision=2) for key in ("k2", "k3")]
    assert len(compared([sent(ONE)], [arrival("k1"), *updates]).duplicates) == 1


def test_one_code_for_each_and_no_other() -> None:
    again = {"event": "twice", "marker": ONE, "at_once": True, "equal": False, "codes": ["4821 9303 7350", "1111"]}
    assert len(compared([sent(ONE), again], [arrival("k1")]).wrong_codes) == 1
    assert len(compared([sent(ONE), sent(TWO)], [arrival("k1"), arrival("k2", TWO)]).wrong_codes) == 1
    assert not compared([sent(ONE), sent(TWO, None)], [arrival("k1"), arrival("k2", TWO)]).bad


def test_who_began_anew_after_a_jump_has_a_second_report_with_a_code() -> None:
    callers = [sent(ONE), {"event": "twice", "marker": ONE, "equal": True, "codes": ["1111"]}]
    hotline = [arrival("k1"), arrival("k2")]
    resent = {"event": "resent", "marker": ONE}
    assert compare_records([*callers, resent], hotline, [], begins_anew=True).faults == []
    for events, begins_anew in (([*callers, resent], False), (callers, True)):
        verdict = compare_records(events, hotline, [], begins_anew=begins_anew)
        assert (len(verdict.duplicates), len(verdict.wrong_codes)) == (1, 1)


def test_at_the_hotline_though_nobody_saw_sent() -> None:
    verdict = compared([sent(ONE)], [arrival("k1"), arrival("k2", TWO)])
    assert (verdict.unconfirmed, verdict.bad) == (1, False)


def test_the_bound_is_the_rule_of_three() -> None:
    assert bound(200) == pytest.approx(0.015)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("name", SIZES)
def test_half_of_the_kills_are_aimed_and_none_is_forgotten(name: str, database: str) -> None:
    size = SIZES[name]
    counts = size.counts(database)
    planned = kills.plan(1, size.reports, counts, size.hotline_away)
    assert Counter(kill.target for kill in planned) == counts
    assert sum(bool(kill.trigger) for kill in planned) * 2 >= len(planned) == sum(size.kills.values())
    assert all(kill.after < size.reports for kill in planned)
    assert [kill.down for kill in planned if kill.target == "hotline"].count(size.hotline_away) == 1
    assert planned == kills.plan(1, size.reports, counts, size.hotline_away)
    assert planned != kills.plan(2, size.reports, counts, size.hotline_away)


def test_the_published_forms_are_what_they_are_said_to_be() -> None:
    said = {name: (size.reports, sum(size.kills.values())) for name, size in SIZES.items()}
    assert (said["short"], said["full"]) == ((2_000, 20), (10_000, 50))
    assert all(count >= 5 for target, count in SIZES["full"].kills.items() if target != "hotline")


def killed(process: str = "valkey", at: float = 10.0) -> list[dict[str, Any]]:
    return [{"event": "killed", "process": process, "at": at}, {"event": "back", "process": process, "at": at + 1.5}]


def answered(one: str, other: str, *, at: float = 11.0, kind: str = "Dialled", took: float = 0.1) -> dict[str, Any]:
    return {"event": "twice", "marker": ONE, "equal": False, "codes": [], "began": at - took, "at": at, "kind": kind,
            "one": one, "other": other}  # fmt: skip


SENT_ON = '{"text":"Sent to Pikinini Helpline.","continue":true}'
SENT_OVER = SENT_ON.replace("true", "false")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (answered("END Not working now.", "CON Who?"), differing_answers.NOT_WORKING),
        (answered("", "Who?", kind="Kannel"), differing_answers.PUT_ASIDE),
        (answered(SENT_OVER, SENT_ON, kind="NeutralUssd"), differing_answers.ENDED),
        (answered("END Sent to you", "CON Sent to you"), ""),  # the path is complete: the answer must not differ
        (answered("CON Who?", "CON Where?"), ""),
        (answered("END Not working now.", "CON Who?", at=40), ""),  # Redis was available
    ],
)
def test_answers_may_differ_only_where_it_is_known_why(line: dict[str, Any], why: str) -> None:
    assert differing_answers.cause(line, killed()) == why
    assert differing_answers.cause(line, killed("web")) == ""
    verdict = compare_records([sent(ONE), line], [arrival("k1")], killed())
    assert verdict.bad == (not why)
    assert sum(verdict.differing.values()) == 1


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("END We are busy now. Call 111.", "CON In danger? Call police 111.\n1 Report", differing_answers.REFUSED),
        ("CON In danger? Call police 111.\n1 Report", "END We are busy now. Call 111.", differing_answers.REFUSED),
        ("END We are busy now. Call 111.", "CON Who?", ""),  # an open call is never refused
    ],
)
def test_a_new_call_may_be_refused_once_of_twice_and_no_other(one: str, other: str, why: str) -> None:
    assert differing_answers.cause(answered(one, other), killed("web")) == why


@pytest.mark.parametrize(
    ("took", "kind", "why"),
    [
        (1.2, "Kannel", differing_answers.PUT_ASIDE),
        (0.9, "Kannel", ""),
        (1.2, "NeutralUssd", ""),  # a call is answered at once; nothing is stored for later
    ],
)
def test_on_a_slow_machine_an_sms_may_be_kept_once_of_twice(took: float, kind: str, why: str) -> None:
    assert differing_answers.cause(answered("", "Who?", kind=kind, took=took), killed("web")) == why


@pytest.mark.parametrize(
    ("took", "kind", "why"),
    [
        (1.2, "NeutralUssd", differing_answers.LATE),
        (0.9, "NeutralUssd", ""),
        (1.2, "Dialled", ""),  # its path is replayed without Redis
        (4.9, "Dialled", differing_answers.LATE),  # web answers after 4.5 s at the latest
    ],
)
def test_on_a_slow_machine_a_call_may_be_told_once_that_nothing_works(took: float, kind: str, why: str) -> None:
    one, other = '{"text":"Not working now. Call 111.","continue":false}', '{"text":"Who?","continue":true}'
    assert differing_answers.cause(answered(one, other, kind=kind, took=took), killed("web")) == why


def test_what_web_answered_while_it_did_not_use_redis_may_differ(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    line = answered("END Not working now.", "CON Who?", at=1_796_000_003.0)
    opened = {"at": "2026-11-30T00:53:20.500+00:00", "event": "circuit_breaker_opened"}
    assert differing_answers.opened_circuits(log) == []
    for reason, at, why in (
        ("redis_unavailable", 1_796_000_000.5, differing_answers.NOT_WORKING),
        ("database_unavailable", 0, ""),
    ):
        log.write_text(f"Listening\n{json.dumps(opened | {'reason': reason})}\n")
        found = differing_answers.opened_circuits(log)
        assert found == ([{"event": "opened", "process": "web", "at": at}] if at else [])
        assert differing_answers.cause(line, found) == why
        assert differing_answers.cause(line | {"began": 1_796_000_012.0, "at": 1_796_000_012.1}, found) == ""


def test_what_is_anothers_or_broken_fails_the_run() -> None:
    leaks = {"event": "foreign", "marker": ONE, "found": "note 00002 abcd", "at": 10.0}
    assert compared([sent(ONE), leaks], [arrival("k1")]).faults == [
        f"of another reporter: note 00002 abcd shown to {ONE}"
    ]
    assert compare_records([sent(ONE)], [arrival("k1")], [], broken=["I8: broken"]).faults == ["I8: broken"]


def test_no_two_callers_share_a_marker() -> None:
    stories = [make_script(1, index, attempt) for index in range(200) for attempt in range(12)]
    assert len({story.phone for story in stories}) == len(stories)
    assert len({story.words for story in stories}) == len(stories)


@pytest.mark.parametrize(
    ("after", "taken"),
    [
        ("How old is the child?\n1 0-5", True),
        ("Tell us in your own words. No names needed.", False),
        ("Sorry, try again.\nTell us", False),
        ("?\nPikinini Helpline 163\nHow old are you?", False),
        ("Pikinini Helpline 163\nHow old are you?", True),
        ("Pikinini Helpline 163\nTell us in your own words.", False),
        ("Pikinini Helpline 163\nSent to Pikinini Helpline.", False),
        ("Not working now. In danger?", False),
        ("Sent to Pikinini Helpline.", False),
    ],
)
def test_words_count_as_taken_when_the_next_screen_says_so(after: str, taken: bool) -> None:
    assert kept_words("Tell us in your own words.", after) == taken
    assert kept_words("Sent to Pikinini Helpline.\nType a few words. 1 = skip\n0 Done", after) == taken
    assert not kept_words("Sent to Pikinini Helpline.\n1 Add more\n0 Done", after)
