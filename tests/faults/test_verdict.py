"""The verdict on made-up ledgers: it must see what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.faults import kills
from tests.faults.story import kept_words, tell
from tests.faults.verdict import Verdict, bound, judge

ONE, TWO = "+6785000001", "+6785000002"


def sent(marker: str, code: str | None = "4821 9303 7350") -> dict[str, Any]:
    return {"event": "sent", "marker": marker, "code": code, "posted_at": 10.0, "at": 10.1}


def came(key: str, phone: str | None = ONE, **more: Any) -> dict[str, Any]:
    line = {"at": 10.4, "hotline": "vu-pikinini", "key": key, "type": "report.created", "report_id": f"of {phone}"}
    return line | {"revision": 1, "completeness": "complete", "phone": phone, "words": None} | more


def judged(callers: list[dict[str, Any]], hotline: list[Mapping[str, Any]], marked: tuple[str, ...] = ()) -> Verdict:
    return judge(callers, hotline, [{"process": "web"}], marked)


def test_one_sent_and_come() -> None:
    verdict = judged([sent(ONE)], [came("k1"), came("k1")], ("k1",))
    assert not verdict.bad
    assert (verdict.sent, verdict.repeats, verdict.unasked, dict(verdict.kills)) == (1, 1, 0, {"web": 1})
    assert verdict.seconds == [pytest.approx(0.4)]
    late = judge([sent(ONE)], [came("k1")], [], moved_at=10.3)
    assert (late.seconds, late.late, late.bad) == ([], 1, False)


@pytest.mark.parametrize(
    "hotline",
    [
        [],
        [came("k1", TWO)],
        [came("k1", completeness="incomplete")],  # the rescue came, what was sent after it did not
    ],
)
def test_sent_and_not_come_is_lost(hotline: list[Mapping[str, Any]]) -> None:
    assert judged([sent(ONE)], hotline).lost == [f"report {ONE}"]


def test_what_came_later_as_a_revision_is_not_lost() -> None:
    update = came("k2", type="report.updated", revision=2)
    assert not judged([sent(ONE)], [came("k1", completeness="incomplete"), update]).bad


def test_words_that_were_taken_must_come() -> None:
    kept = {"event": "kept", "marker": ONE, "words": "note 00001 abcd"}
    assert judged([sent(ONE), kept], [came("k1")]).lost == [f"words note 00001 abcd of {ONE}"]
    for words in ("note 00001 abcd", "note 00001 abcd*00"):
        assert not judged([sent(ONE), kept], [came("k1", words=words)]).bad


def test_marked_as_delivered_and_not_come_is_lost() -> None:
    assert judged([sent(ONE)], [came("k1")], ("k1", "k2")).lost == ["delivery k2"]


@pytest.mark.parametrize(
    ("second", "is_twice"),
    [
        (came("k2"), True),
        (came("k2", report_id="another report of the same caller"), True),
        (came("k2", hotline="vu-police"), False),
        (came("k2", type="report.updated", revision=2), False),
        (came("k2", TWO), False),
    ],
)
def test_two_keys_for_one_thing_are_twice(second: Mapping[str, Any], is_twice: bool) -> None:
    assert bool(judged([sent(ONE)], [came("k1"), second]).twice) == is_twice


def test_two_keys_for_one_revision_are_twice() -> None:
    updates = [came(key, type="report.updated", revision=2) for key in ("k2", "k3")]
    assert len(judged([sent(ONE)], [came("k1"), *updates]).twice) == 1


def test_one_code_for_each_and_no_other() -> None:
    again = {"event": "twice", "marker": ONE, "at_once": True, "equal": False, "codes": ["4821 9303 7350", "1111"]}
    assert len(judged([sent(ONE), again], [came("k1")]).wrong_codes) == 1
    assert len(judged([sent(ONE), sent(TWO)], [came("k1"), came("k2", TWO)]).wrong_codes) == 1
    assert not judged([sent(ONE), sent(TWO, None)], [came("k1"), came("k2", TWO)]).bad


def test_at_the_hotline_though_nobody_saw_sent() -> None:
    verdict = judged([sent(ONE)], [came("k1"), came("k2", TWO)])
    assert (verdict.unasked, verdict.bad) == (1, False)


def test_the_bound_is_the_rule_of_three() -> None:
    assert bound(200) == pytest.approx(0.015)


def test_each_process_is_killed_twice_at_least_and_half_of_it_aimed() -> None:
    planned = kills.plan(1, 200)
    assert all(sum(kill.target == target for kill in planned) >= 2 for target, _, _ in kills.TARGETS)
    assert sum(bool(kill.moment) for kill in planned) * 2 >= len(planned) >= 14
    assert planned == kills.plan(1, 200) != kills.plan(2, 200)


def test_no_two_callers_share_a_marker() -> None:
    stories = [tell(1, index, attempt) for index in range(200) for attempt in range(12)]
    assert len({story.phone for story in stories}) == len(stories)
    assert len({story.words for story in stories}) == len(stories)


@pytest.mark.parametrize(
    ("after", "taken"),
    [
        ("How old is the child?\n1 0-5", True),
        ("Tell us in your own words. No names needed.", False),
        ("Sorry, try again.\nTell us", False),
        ("Not working now. In danger?", False),
        ("Sent to Pikinini Helpline.", False),
    ],
)
def test_words_count_as_taken_when_the_next_screen_says_so(after: str, taken: bool) -> None:
    assert kept_words("Tell us in your own words.", after) == taken
