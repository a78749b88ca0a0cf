"""A session record is read back unchanged; anything else is not a session."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from flows import loader
from flows.engine import pack
from flows.model import Answer, FlowState, UnpromptedText
from gateway.messaging.model import Reply
from gateway.sessions.phone_history import SentReport
from gateway.sessions.record import (
    MAX_CHOICES,
    MAX_DRAFTS,
    Draft,
    LastTurn,
    Record,
    ReplyLoop,
    continue_draft,
    drafts_after,
    find_draft,
    pack_drafts,
    pack_record,
    unpack_drafts,
    unpack_record,
)
from gateway.sessions.report_ref import (
    CodeState,
    NotSubmitted,
    PerhapsScheduled,
    ReportRef,
    Scheduled,
    SubmissionUncertain,
    Submitted,
)
from reports.routing import Recipient

BOOK = loader.load()
STATE = FlowState(
    "report.about",
    trail=(("home.home", -1), ("report.danger", 0), ("report.category", 1)),
    answers=(
        Answer("report.danger", "danger", "soon", False, 1000),
        Answer("report.category", "category", "harm", False, 1010),
    ),
    unasked=(UnpromptedText(1005, "report.category", "something that was not asked"),),
)
MEDIA = (("image", "hxxps[:]//media.example/1"),)
BEGUN = ReportRef(
    "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e",
    bytes(range(32)),
    1000,
    Submitted(3, 1020, has_update=True, code=CodeState.SHOWN),
    min_priority="P2",
    named_recipients=(Recipient("vu-pikinini", "primary", "CATEGORY_FIRST"),),
    resumed=True,
    secret=b"s" * 32,
)
OWN = ReportRef("another", b"k" * 32, 1000, secret=b"o" * 32)


def test_a_record_that_shows_a_code_without_its_secret_begins_anew() -> None:
    """The code on its screen would open nothing without the secret."""
    old = Record(STATE, LastTurn("turn"), Reply("", True), 5, replace(BEGUN, secret=b""))
    assert unpack_record(pack_record(old), BOOK) is None


SEEN = replace(BEGUN, state=Submitted(3, 1020, code=CodeState.SEEN), secret=b"")
STATES = (
    NotSubmitted(2),
    PerhapsScheduled(64),
    Scheduled(4),
    SubmissionUncertain(5, is_scheduled=True),
    Submitted(6, 1020, confirmed=False),
)


@pytest.mark.parametrize("report", [None, BEGUN, SEEN, *(ReportRef("id", b"k" * 32, 5, state) for state in STATES)])
def test_a_record_comes_back_as_it_was(report: ReportRef | None) -> None:
    record = Record(
        STATE,
        LastTurn("turn", 12, 3),
        Reply("words", True, language="fr", is_typed=True),
        1011,
        report,
        2,
        "first",
        ReplyLoop(3, 9),
        True,
        "opened",
        "seed",
        4,
        MEDIA,
        (SentReport("earlier", ("vu-pikinini",), True),),
        words_report="words",
        counted_messages=2,
        interrupted="interrupted",
        written_at=8,
        last_recording="last",
    )
    assert unpack_record(pack_record(record), BOOK) == record


def draft(report_id: str, at: int, danger: str = "soon") -> Draft:
    return Draft(danger, "harm", pack(STATE), ReportRef(report_id, b"k" * 32, at), at)


def record(report_id: str, at: int = 2) -> Record:
    return Record(STATE, LastTurn("turn"), Reply("", True), at, ReportRef(report_id, b"k" * 32, at))


GOOD = json.loads(pack_record(record("a")))


@pytest.mark.parametrize(
    "data", [None, [], {}, "x", 7, [1] * 13, {"0": GOOD}, [*GOOD, 0], GOOD[:-10], [["nowhere.x"], *GOOD[1:]], "\ud83d"]
)
def test_anything_else_is_no_record(data: object) -> None:
    assert unpack_record(json.dumps(data).encode(), BOOK) is None


def test_a_session_of_the_release_before_goes_on() -> None:
    """Records of earlier releases lack a report of words, a recording, the answer's language, or earlier reports."""
    for fewer in (1, 2, 4, 5):
        assert unpack_record(json.dumps(GOOD[:-fewer]).encode(), BOOK) == record("a")


@pytest.mark.parametrize("raw", [b"", b"[", b"\xff\xfe"])
def test_what_is_no_json_is_no_record(raw: bytes) -> None:
    assert unpack_record(raw, BOOK) is None


def test_half_a_character_comes_back_as_it_was() -> None:
    said = replace(STATE, unasked=(UnpromptedText(1, "report.category", "\ud83d alone \udca9"),))
    one = replace(record("a"), state=said, words="\udca9")
    assert unpack_record(pack_record(one), BOOK) == one


def test_drafts_come_back_and_others_are_none() -> None:
    drafts = [draft("a", 1), replace(draft("b", 2), media=MEDIA)]
    assert unpack_drafts(pack_drafts(drafts)) == drafts
    assert unpack_drafts(b'[["x"]]') == []
    assert unpack_drafts(b"") == []
    assert pack_drafts([]) == b""


def test_a_draft_of_other_flows_is_not_taken_up() -> None:
    there = draft("a", 1)
    elsewhere = replace(there, state=replace(there.state, names=("report.nowhere", *there.state.names[1:])))
    assert continue_draft(record("b"), there, OWN, BOOK) is not None
    assert continue_draft(record("b"), elsewhere, OWN, BOOK) is None


def test_a_draft_is_taken_up_by_the_same_first_two_answers_and_in_time() -> None:
    assert find_draft([draft("a", 100, "no"), draft("b", 100)], STATE, 50) == draft("b", 100)
    assert find_draft([draft("b", 100)], STATE, 101) is None
    assert find_draft([draft("a", 100, "no")], STATE, 50) is None


def test_one_phone_keeps_a_few_drafts_each_report_once() -> None:
    drafts = [draft(name, 1) for name in "abcd"]
    assert drafts_after(drafts, record("c")) == [draft("c", 2), draft("a", 1), draft("b", 1)]
    assert len(drafts_after(drafts, record("e")) or ()) == MAX_DRAFTS


def test_what_was_sent_leaves_no_draft_and_a_walk_without_a_report_none() -> None:
    sent = record("a")
    sent = replace(sent, report=replace(sent.report, state=Submitted(1, 2)))
    assert drafts_after([draft("a", 1), draft("b", 1)], sent) == [draft("b", 1)]
    assert drafts_after([draft("b", 1)], sent) is None
    assert drafts_after([], replace(sent, report=None)) is None
    assert drafts_after([], replace(sent, state=FlowState("home.home"))) is None


def test_who_dials_all_day_carries_no_endless_tail_and_no_word_is_dropped() -> None:
    words = Answer("more.words", "addition", "kept", True, 1)
    state = STATE
    for _ in range(50):
        draft = Draft("soon", "harm", pack(replace(state, answers=(*state.answers, words))), BEGUN, 1)
        carries = continue_draft(record("b"), draft, OWN, BOOK)
        assert carries
        state = carries.state
    assert sum(answer.typed for answer in state.answers) == 50
    assert sum(not answer.typed for answer in state.answers) == MAX_CHOICES + 2
    assert state.values == STATE.values
