"""The meaning of a message: no turn takes effect twice, no character is lost, and nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.conversation import turns
from gateway.conversation.turns import Duplicate, NewSession, NextReply, OutOfOrder, Replay, TurnKind, Unreplayable
from gateway.messaging.model import Inbound
from gateway.sessions.record import LastTurn

CODE = "*384*123#"
PATH = Inbound(kind="ussd", channel="africastalking", sender="+6785550101", code=CODE, text="", session="a", path=True)
PLAIN = Inbound(kind="ussd", channel="ussd", sender="+6785550101", code=CODE, text="", session="a")
SMS = Inbound(kind="sms", channel="africastalking", sender="+6785550101", code="163", text="", id="m1")


class Session:
    """A session that classifies messages as the conversation does, and stores the same fields."""

    def __init__(self) -> None:
        self.last: LastTurn | None = None
        self.version = b""

    def take(self, inbound: Inbound, code: str = "") -> TurnKind:
        return self.take_loaded_at(self.version, inbound, code)

    def take_loaded_at(self, version: bytes, inbound: Inbound, code: str = "") -> TurnKind:
        key = turns.key_of(inbound, version)
        found = turns.classify(inbound, self.last, key, code)
        if not isinstance(found, Duplicate | OutOfOrder | Unreplayable):
            self.last = turns.after(found, inbound, self.last, key)
            self.version = (int.from_bytes(self.version, "big") + 1).to_bytes(8, "big")
        return found


def path(text: str) -> Inbound:
    return replace(PATH, text=text)


PATHS = [
    ("next turns", [("", NewSession()), ("1", NextReply("1")), ("1*2", NextReply("2")), ("1*2*x y", NextReply("x y"))]),
    (
        "a repeat",
        [("", NewSession()), ("1", NextReply("1")), ("1", Duplicate()), ("1", Duplicate()), ("1*1", NextReply("1"))],
    ),
    ("the start twice, then late", [("", NewSession()), ("", Duplicate()), ("1", NextReply("1")), ("", NewSession())]),
    (
        "after a new dial of the same id",
        [("", NewSession()), ("1", NextReply("1")), ("", NewSession()), ("2", NextReply("2"))],
    ),
    (
        "stars typed",
        [("", NewSession()), ("1", NextReply("1")), ("1*a*b**", NextReply("a*b**")), ("1*a*b***", NextReply(""))],
    ),
    (
        "a star alone",
        [
            ("", NewSession()),
            ("*", NextReply("*")),
            ("**", NextReply("")),
            ("**1", OutOfOrder()),
            ("***1", NextReply("1")),
        ],
    ),
    ("an empty reply", [("", NewSession()), ("1", NextReply("1")), ("1*", NextReply("")), ("1**2", NextReply("2"))]),
    (
        "reordered",
        [
            ("", NewSession()),
            ("1", NextReply("1")),
            ("1*2", NextReply("2")),
            ("1*2*1", NextReply("1")),
            ("1*2", OutOfOrder()),
            ("2", OutOfOrder()),
        ],
    ),
    (
        "another path of the same length",
        [("", NewSession()), ("1*2", NextReply("1*2")), ("1*3", OutOfOrder()), ("1*3*1", OutOfOrder())],
    ),
    ("no star between", [("", NewSession()), ("1", NextReply("1")), ("12", OutOfOrder())]),
    ("a skipped turn is one reply", [("", NewSession()), ("1*2*3", NextReply("1*2*3"))]),
    ("not known", [("1*2**x", Replay(("1", "2", "", "x"))), ("1*2**x*a*b", NextReply("a*b"))]),
    (
        "whole code first",
        [("*384*123#", NewSession(9)), ("*384*123#", Duplicate()), ("*384*123#*1*2", NextReply("1*2"))],
    ),
    (
        "bare code first",
        [
            ("384*123", NewSession(7)),
            ("384*123*1", NextReply("1")),
            ("384*123", NewSession(7)),
            ("384*123*2", NextReply("2")),
        ],
    ),
    (
        "tail first",
        [
            ("123", NewSession(3)),
            ("123*1", NextReply("1")),
            ("123*1*2", NextReply("2")),
            ("123*1", OutOfOrder()),
            ("", NewSession()),
        ],
    ),
    (
        "not known, tail first",
        [("123*1*2", Replay(("1", "2"), 3)), ("123*1*2*5", NextReply("5")), ("123", NewSession(3))],
    ),
    ("not known, whole code first", [("*384*123#*1", Replay(("1",), 9))]),
    ("the code inside is no code", [("1*123", Replay(("1", "123"))), ("1*123*123", NextReply("123"))]),
    ("the code after the start is a reply", [("", NewSession()), ("123", NextReply("123"))]),
    ("begins like the code", [("1234*1", Replay(("1234", "1")))]),
]


@pytest.mark.parametrize("walk", [row[1] for row in PATHS], ids=[row[0] for row in PATHS])
def test_a_path(walk: list[tuple[str, TurnKind]]) -> None:
    session = Session()
    assert [session.take(path(text)) for text, _ in walk] == [found for _, found in walk]


@pytest.mark.parametrize(
    ("code", "ways"),
    [
        ("*384*123#", ["*384*123#", "*384*123", "384*123#", "384*123", "123"]),
        ("*111#", ["*111#", "*111", "111#", "111"]),
        ("22384", ["*22384#", "*22384", "22384#", "22384"]),
        ("*384*1#", ["*384*1#", "*384*1", "384*1#", "384*1"]),
        ("*384*98#", ["*384*98#", "*384*98", "384*98#", "384*98"]),
        ("", []),
        ("#", []),
    ],
)
def test_the_ways_a_code_is_sent_as_first_reply(code: str, ways: list[str]) -> None:
    assert list(turns.starts(code)) == ways


def test_the_countrys_code_serves_where_the_provider_names_none() -> None:
    assert Session().take(replace(PATH, code="", text="123"), code=CODE) == NewSession(3)
    assert Session().take(replace(PATH, code="", text="123")) == Replay(("123",))


def test_a_path_too_long_to_walk_is_lost_but_a_long_reply_is_not() -> None:
    stars = "*" * 64 * 1024
    assert Session().take(path(stars)) == Unreplayable()
    assert isinstance(Session().take(path("*".join("1" * turns.MAX_PARTS))), Replay)
    session = Session()
    session.take(path(""))
    session.take(path("1"))
    assert session.take(path("1*" + stars)) == NextReply(stars)
    assert session.take(path("1*" + stars + "*2")) == NextReply("2")
    assert session.last is not None
    assert len(session.last.turn_id) == 22, "the session does not grow with the path"


@pytest.mark.rule("A-10")
@given(st.lists(st.text(max_size=12) | st.text("*1", max_size=4), max_size=12), st.data())
def test_however_a_path_grows_each_reply_comes_out_whole_and_once(replies: list[str], data: st.DataObject) -> None:
    session = Session()
    session.take(path(""))
    sent = ""
    for reply in filter(None, replies[:1]):
        sent = reply
        assert session.take(path(sent)) == NextReply(reply)
    for reply in replies[1:] if sent else []:
        earlier, sent = sent, f"{sent}*{reply}"
        assert session.take(path(sent)) == NextReply(reply)
        for _ in range(data.draw(st.integers(0, 2))):
            assert session.take(path(sent)) == Duplicate()
        assert session.take(path(earlier)) == OutOfOrder()


@given(st.text("*12a", max_size=20))
def test_a_walk_from_the_start_loses_no_character(text: str) -> None:
    found = Session().take(path(text))
    if isinstance(found, Replay):
        assert "*".join(found.parts) == text[found.skip + 1 if found.skip else 0 :]
    else:
        assert found == NewSession()
        assert text == ""


def plain(text: str, event: str = "resume", turn: str = "") -> Inbound:
    return replace(PLAIN, text=text, event="new" if event == "new" else "resume", id=turn)


def test_without_numbers_each_request_is_a_turn() -> None:
    session = Session()
    walk = [plain("*384*123#", "new"), plain("1"), plain("1"), plain(" 2*3 "), plain("", "new")]
    assert [session.take(one) for one in walk] == [
        NewSession(),
        NextReply("1"),
        NextReply("1"),
        NextReply(" 2*3 "),
        NewSession(),
    ]


def test_without_numbers_the_loser_of_a_race_sees_the_winners_answer() -> None:
    session = Session()
    assert session.take_loaded_at(b"", plain("", "new")) == NewSession()
    assert session.take_loaded_at(b"", plain("", "new")) == Duplicate()
    both_loaded = session.version
    assert session.take_loaded_at(both_loaded, plain("1")) == NextReply("1")
    assert session.take_loaded_at(both_loaded, plain("1")) == Duplicate()
    assert session.take_loaded_at(both_loaded, plain("2")) == NextReply("2"), "another text is another turn"


@pytest.mark.rule("A-10")
def test_with_numbers_a_repeat_is_certain_and_an_older_turn_is_odd() -> None:
    session = Session()
    walk = [
        (plain("", "new", "1"), NewSession()),
        (plain("", "new", "1"), Duplicate()),
        (plain("1", turn="2"), NextReply("1")),
        (plain("1", turn="2"), Duplicate()),
        (plain("1", turn="3"), NextReply("1")),
        (plain("1", turn="2"), OutOfOrder()),
        (plain("2", turn="10"), NextReply("2")),
        (plain("x"), NextReply("x")),
        (plain("1", turn="a-b"), NextReply("1")),
        (plain("1", turn="a-b"), Duplicate()),
        (plain("1", turn="9" * 100), NextReply("1")),
        (plain("", "new", "1"), NewSession()),
        (plain("2", turn="2"), NextReply("2")),
    ]
    assert [session.take(one) for one, _ in walk] == [found for _, found in walk]


def test_a_reply_to_a_session_that_is_not_known_begins_and_its_words_are_handed_on() -> None:
    assert Session().take(plain("my own words")) == NewSession(early_reply="my own words")


def test_texts_are_told_apart_by_their_id() -> None:
    session = Session()
    assert session.take(replace(SMS, text="hello there")) == NewSession(early_reply="hello there")
    assert session.take(replace(SMS, text="hello there")) == Duplicate()
    assert session.take(replace(SMS, text="1", id="m2")) == NextReply("1")
    assert session.take(replace(SMS, text="1", id="m3")) == NextReply("1")


def test_texts_without_id_are_told_apart_by_their_time() -> None:
    session = Session()
    first = replace(SMS, text="1", id="", sent_at=1_800_000_000)
    assert session.take(first) == NewSession(early_reply="1")
    assert session.take(first) == Duplicate()
    assert session.take(replace(first, sent_at=1_800_000_009)) == NextReply("1")
    assert session.take(replace(first, sent_at=None)) == NextReply("1")
    assert session.take(replace(first, sent_at=None)) == NextReply("1")


@given(st.text(st.characters(), max_size=8), st.text(st.characters(), max_size=8))
def test_keys_differ_where_turns_do_and_take_any_text(one: str, other: str) -> None:
    keys = {turns.key_of(path(text), b"") for text in (one, other)}
    assert len(keys) == len({one, other})
    assert turns.key_of(plain(one), b"1") != turns.key_of(plain(one), b"2")
