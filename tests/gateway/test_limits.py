"""No reply loop with a machine, no reply to an old menu, no carrier keyword taken for a person's, nobody refused."""

from __future__ import annotations

import pytest

from gateway.conversation import keywords, turns
from gateway.sessions import record
from gateway.sessions.record import ReplyLoop

NOW = 1_800_000_000
HOUR = 3600


def test_a_machine_that_answers_gets_five_replies_an_hour() -> None:
    loop, replies = ReplyLoop(), []
    for n in range(50):
        replied, loop = record.reply_to(loop, is_reset=False, now=NOW + 2 * n)
        replies.append(replied)
    assert replies == [True] * 5 + [False] * 45
    assert record.is_silenced(loop, NOW + 60)


def test_an_accepted_answer_or_help_ends_the_count_and_the_silence() -> None:
    loop = ReplyLoop()
    for _ in range(4):
        _, loop = record.reply_to(loop, is_reset=False, now=NOW)
    assert record.reply_to(loop, is_reset=True, now=NOW) == (True, ReplyLoop())
    _, silent = record.reply_to(loop, is_reset=False, now=NOW)
    assert record.is_silenced(silent, NOW)
    assert not record.is_silenced(silent, NOW + HOUR)
    assert record.reply_to(silent, is_reset=True, now=NOW) == (True, ReplyLoop())


@pytest.mark.parametrize(
    ("now", "replied"),
    [(NOW, False), (NOW + HOUR - 1, False), (NOW + HOUR, True), (NOW + 9 * HOUR, True), (NOW - 1, True)],
    ids=["at once", "last second", "an hour later", "next day", "clock set back"],
)
def test_silence_lasts_an_hour(now: int, replied: bool) -> None:
    silent = ReplyLoop(5, NOW + HOUR)
    assert record.reply_to(silent, is_reset=False, now=now) == (replied, ReplyLoop(1) if replied else silent)


@pytest.mark.parametrize(("quiet", "silent"), [(0, True), (30 * 60, True), (30 * 60 + 1, False)])
def test_silence_ends_after_a_pause_of_half_an_hour(quiet: int, silent: bool) -> None:
    """A machine replies sooner; later the next message may come from another person, who needs a reply."""
    loop = record.after_pause(ReplyLoop(0, NOW + HOUR), seconds=quiet)
    assert record.is_silenced(loop, NOW + quiet) is silent


@pytest.mark.parametrize(
    ("age", "stale"),
    [(None, False), (0, False), (900, False), (901, True), (43_200, True), (-600, False), (-(10**9), False)],
)
def test_a_text_is_stale_after_a_quarter_of_an_hour(age: int | None, stale: bool) -> None:
    assert turns.is_stale(None if age is None else NOW - age, NOW) is stale


STOP = ["STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "REVOKE", "OPTOUT", "CANCEL"]


@pytest.mark.rule("S-09")
@pytest.mark.parametrize(
    ("texts", "word"),
    [
        (STOP, "stop"),
        (["START", "YES", "UNSTOP"], "start"),
        (["stop.", "Stop!", "(STOP)", "end!"], "stop"),
        (["HELP", "INFO", "help", " Help ", "ＨＥＬＰ", "help!"], "help"),
        (["STOP PLEASE", "please stop", "Stop, pls!", "end please", "please cancel", "plz quit", "help please"], None),
        (["please stop him", "stop it please", "yes please", "help me", "please", "0", "", "REPORT"], None),
        (["stop" * 60_000], None),
    ],
)
def test_carriers_words_act_only_as_the_whole_message(texts: list[str], word: str | None) -> None:
    for text in texts:
        assert keywords.word(text) == word
        assert keywords.word(f"\t{text.lower()}\r\n") == word


@pytest.mark.rule("S-22")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \r\n",
        "\u200b\u2060",
        "call me",
        "Please call me!",
        "PLS CALL ME",
        "Please call +254 711 000 111",
        "call me back pls",
        "pcm",
    ],
)
def test_who_cannot_write_is_heard(text: str) -> None:
    assert keywords.is_call_me(text)


PHRASES = frozenset({("call", "me"), ("please", "call", "me"), ("kolem", "mi"), ("appelle", "moi")})


@pytest.mark.rule("S-22")
@pytest.mark.parametrize(
    "text", ["cal me", "CALLL ME", "clal mi", "Pleas call me 5550101", "kolm mi", "apelle-moi!", "pcm"]
)
def test_a_call_me_is_understood_with_a_typing_error(text: str) -> None:
    assert keywords.Keywords(call_me=PHRASES).asks_for_call(text)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "1", "kill me", "call mum", "dont call me", "they call me names", "please call me my uncle is here"],
)
def test_other_words_ask_for_no_call(text: str) -> None:
    assert not keywords.Keywords(call_me=PHRASES).asks_for_call(text)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "please call me my uncle is here",
        "call",
        "dont call me",
        "they call me names",
        "\U0001f622",
        "call me " * 30_000,
    ],
)
def test_words_are_words(text: str) -> None:
    assert keywords.is_call_me(text) is (text == "call")
