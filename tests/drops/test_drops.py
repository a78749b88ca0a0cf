"""The small form of `make drops`: 60 to 120 reporters, seeded. docs/drops.md has the figures of 10,000."""

from __future__ import annotations

import random

import pytest

from tests.docs.pages import part, read
from tests.drops.__main__ import CALLERS, GOAL, SEED, WORDS_GOAL
from tests.drops.caller import DropConditions
from tests.drops.person import OWN_WORDS, make_person, seconds_to_read, seconds_to_type
from tests.drops.simulation import call_all, figures
from tests.drops.table import AGAIN_CONDITIONS, BAD_SCREEN_CONDITIONS, CONDITIONS, DIAL_AGAIN, HEAD, NETWORK

SMALL = 120


@pytest.mark.slow
@pytest.mark.rule("S-12")
@pytest.mark.rule("S-38")
def test_a_line_that_drops_at_one_screen_in_twenty_keeps_hardly_anybody_from_being_heard(redis_url: str) -> None:
    """The report is sent though many calls drop; nobody sees Sent without a stored report."""
    found = figures(call_all(redis_url, CONDITIONS[0], 1, range(SMALL)))
    assert found.dropped > 0.4, "the lines did not drop"
    assert found.sent >= GOAL
    assert (found.false_sent, found.foreign) == (0, 0)
    assert found.some_words > 85 and found.words > 75


@pytest.mark.slow
def test_with_lines_that_hold_everybody_is_heard_with_all_words(redis_url: str) -> None:
    found = figures(call_all(redis_url, DropConditions(chance=0, words_before=True), 1, range(20)))
    assert (found.sent, found.words, found.unheard, found.twice, found.dropped) == (100, 100, 0, 0, 0)


@pytest.mark.slow
def test_who_drops_always_is_heard_only_in_danger_and_never_as_sent(redis_url: str) -> None:
    found = figures(call_all(redis_url, DropConditions(chance=0.6, words_before=False), 1, range(60)))
    assert found.sent < 10 and found.rescued > 0 and found.unheard > 50
    assert found.false_sent == 0


@pytest.mark.slow
@pytest.mark.rule("S-15")
def test_asking_for_words_before_send_loses_reports_where_the_network_does_not_wait(redis_url: str) -> None:
    """Words are therefore asked after Send unless the network's card says that it waits."""
    after, before = (
        figures(call_all(redis_url, DropConditions(0.05, words, NETWORK), 1, range(60))) for words in (False, True)
    )
    assert after.sent >= GOAL > 70 > before.sent
    assert after.some_words > 80 > before.some_words


@pytest.mark.slow
def test_words_are_typed_on_the_sent_screen_and_another_call_adds_the_rest(redis_url: str) -> None:
    """On a network that waits one minute; later calls add words without code and PIN."""
    found = {share: figures(call_all(redis_url, AGAIN_CONDITIONS[0.05, share], 1, range(60))) for share in (0.0, 0.5)}
    assert found[0.5].words >= WORDS_GOAL > found[0.0].words > 40
    assert found[0.0].some_words > 90
    assert {(one.false_sent, one.foreign) for one in found.values()} == {(0, 0)}
    assert found[0.0].sent == found[0.5].sent


@pytest.mark.slow
@pytest.mark.parametrize(("begins", "cell"), [("How old", "who"), ("May staff contact", "contact")])
def test_the_statistics_find_a_screen_at_which_people_hang_up(redis_url: str, begins: str, cell: str) -> None:
    conditions = DropConditions(0.02, words_before=False, bad_screen=begins)
    left = dict(figures(call_all(redis_url, conditions, 1, range(120))).left)
    assert left.pop(cell) in (20, 30, 40)
    assert all(share is None or share <= 10 for share in left.values())


def test_callers_and_their_time_are_the_same_for_the_same_seed() -> None:
    assert make_person(1, 7) == make_person(1, 7) != make_person(2, 7)
    assert len({make_person(1, n).mark for n in range(500)}) == 500
    assert seconds_to_read("one two three four five six seven eight nine ten") == 3
    assert (seconds_to_type("Send to", "1"), seconds_to_type(OWN_WORDS[0], "three words here")) == (6, 18)
    assert [len(piece.split()) for piece in make_person(1, 7).pieces("Type a few words.")][:-1] == [5, 5]
    assert random.Random("luck 1 1").random() == random.Random("luck 1 1").random()


def test_the_pages_have_the_figures_of_the_whole_run() -> None:
    shown = part("docs/drops.md", "figures")
    assert f"{CALLERS:,} reporters for each row, seed {SEED}." in shown
    assert part("docs/drops.md", "left").count("\n|") == 1 + len(BAD_SCREEN_CONDITIONS)
    again = part("docs/drops.md", "again")
    assert again.count("dial again") == len(DIAL_AGAIN) and again.count("\n|") == 3
    assert shown.count(HEAD[0]) == 2 and shown.count("\n| 5 % |") == shown.count("\n| 10 % |") == 4
    sent = shown.partition("| 5 % | after Send | ")[2].partition(" |")[0]
    assert f"{sent} reach Sent" in " ".join(read("README.md").split())
