"""Every path through the shipped flows in every country, language and channel; none is lost by merging equal states."""

from __future__ import annotations

import functools
import gc
import itertools
import json
import random
from collections.abc import Iterable, Iterator

import pytest

from flows import catalogues
from flows.authoring.lint import Linter, LintReport
from flows.authoring.paths import NOON, Combination, StateGraph, explore
from flows.authoring.timing import MAX_SCREENS_TO_SEND, PathTimes, PathToSend
from flows.dependencies import dependencies_of
from flows.model import Answer, FlowState
from runtime.telephony import CHANNEL_KINDS, ChannelKind
from tests.flows.phone import book
from tests.flows.test_countries import COUNTRIES, country
from tokaut.commands.flows import report_data, report_text
from tokaut.screens.combinations import (
    CONTEXT_DEPENDENCIES,
    LIMITS,
    LINE_FACTS,
    ROUTING_QUESTIONS,
    combination,
    combinations,
    menu_languages,
)


@functools.cache
def report(iso: str, channel: ChannelKind) -> LintReport:
    linter, of, known = Linter(book(), whole=False), country(iso), catalogues.shipped()
    gc.disable()  # a hundred thousand objects stay alive: collecting garbage would take a sixth of the time for nothing
    try:
        linter.add(linter.check(*_first_and_others(combinations(book(), [of], known, (channel,)))))
        return linter.end()
    finally:
        gc.enable()


def _first_and_others(every: Iterator[Combination]) -> tuple[Combination, Iterator[Combination]]:
    return next(every), every


@functools.cache
def ways(channel: ChannelKind, iso: str = "VU") -> StateGraph:
    known = catalogues.shipped()
    of = country(iso)
    return explore(
        book(), dependencies_of(book()), combination(book(), of, known["en"], channel, menu_languages(of, known))
    )


@pytest.mark.rule("S-01")
@pytest.mark.rule("S-02")
@pytest.mark.rule("S-08")
@pytest.mark.rule("S-15")
@pytest.mark.product(parts=6)
@pytest.mark.parametrize("channel", CHANNEL_KINDS)
@pytest.mark.parametrize("iso", COUNTRIES)
def test_the_flows_have_no_fault(iso: str, channel: ChannelKind) -> None:
    """In all languages of a country; by USSD a session of three minutes is enough without words.

    After self-harm every screen has the helpline's number, which takes the space of a place. If a list of places has
    one page more than in Vanuatu, a reporter who reads every word needs some seconds more.
    """
    found = report(iso, channel)
    assert [f"{one} {places}" for one, places in found.findings.items()] == []
    assert found.lines == len(menu_languages(country(iso), catalogues.shipped()))
    assert found.pages > len(book().screens) * found.lines
    assert found.replies > found.spots > 4_000
    if channel == "ussd":
        to_send = found.sequences.values()
        assert max(len(one.screens) for one in to_send) == MAX_SCREENS_TO_SEND
        quickly = _without_words(to_send)
        assert len(quickly) > 10 and all(one.seconds < (180 if iso == "VU" else 192) for one in quickly)
        assert not any(one.seconds <= 60 for one in to_send)  # nobody reads slowly enough to fill such a session


def test_a_report_can_be_said_in_words_and_to_programs() -> None:
    found = report("VU", "ussd")
    assert f"{found.pages:,} pages" in report_text(found)
    assert json.loads(json.dumps(report_data(found)))["lines"] == found.lines


def _without_words(found: Iterable[PathToSend]) -> list[PathToSend]:
    return [one for one in found if not any(name.startswith("report.words") for name in one.screens)]


BEFORE_SEND = {
    # channel, danger = now, category: the screens from danger to Send
    ("ussd", False, "harm"): "danger category about age place contact send",
    ("ussd", True, "harm"): "danger emergency category place about contact send",
    ("ussd", False, "self_harm"): "danger category care age place contact send",
    ("ussd", True, "self_harm"): "danger emergency category place about contact send",
    ("ussd", False, "missing"): "danger category about_missing age place contact send",
    ("ussd", True, "missing"): "danger emergency category place about_missing contact send",
    ("sms", False, "harm"): "danger category about age place words contact send",
    ("sms", True, "harm"): "danger emergency category place about words contact send",
    ("sms", False, "self_harm"): "danger category care age place words contact send",
    ("sms", True, "self_harm"): "danger emergency category place about words contact send",
    ("sms", False, "missing"): "danger category about_missing age place words_missing contact send",
    ("sms", True, "missing"): "danger emergency category place about_missing words_missing contact send",
    # a reporter who is away from home says so in own words
    ("sms", False, "self_away"): "danger category about_missing age place words contact send",
    ("sms", True, "self_away"): "danger emergency category place about_missing words contact send",
}
ONE_OF = {"age_me": "age", "place_me": "place", "place_seen": "place"}


@pytest.mark.parametrize("channel", ["ussd", "sms"])
def test_the_screens_to_send(channel: ChannelKind) -> None:
    wanted = {tuple(names.split()) for (kind, *_), names in BEFORE_SEND.items() if kind == channel}
    found = {tuple(ONE_OF.get(name, name) for name in _bare(one.screens)) for one in PathTimes(ways(channel)).to_send}
    if channel == "ussd":  # a network whose card asks for words first, and a provider that gives no number
        wanted |= {tuple(names.split()) for (kind, *_), names in BEFORE_SEND.items() if kind == "sms"}
        wanted |= {tuple(one for one in names if one != "contact") for names in wanted if not _has_words(names)}
    assert found == wanted


def _bare(screens: tuple[str, ...]) -> list[str]:
    return [name.removeprefix("report.") for name in screens]


def _has_words(names: tuple[str, ...]) -> bool:
    return any(name.startswith("words") for name in names)


ON_ONE_CHANNEL = {
    "ussd": "home.home report.sent report.sent_missing report.sent_menu more.narrative_on more.narrative_on_2 "
    "my.contact_end my.erased my.code_or_words my.later my.later_on my.later_on_2 tips_young.who",
    "sms": "home.home_sms home.first_words home.did_you_mean home.no_pictures home.how_to_delete report.sent_sms "
    "report.code_sms my.erased_sms my.code_sms law.by_sms language.choose_sms tips_young.who_sms "
    "contact_request.ask_sms contact_request.ask_during contact_request.placed contact_request.nobody "
    "contact_request.no_call_sms",
    "voice": "more.speak more.speaking more.spoken more.not_recorded my.speak my.speaking my.spoken my.not_recorded",
}
# Screens that Vanuatu does not use: groups of places, staff who call, a law of which nothing is known.
ELSEWHERE = {
    "more.place": "KE",
    "contact_request.ask": "KE",
    "contact_request.no_call": "KE",
    "contact_request.no_number": "KE",
    "law.unknown": "CK",
}


def test_every_screen_is_walked_to_or_shown_as_a_notice() -> None:
    shown = {channel: _shown(ways(channel)) for channel in LIMITS}
    written = shown["ussd"] | shown["sms"]
    assert shown["voice"] - written == set(ON_ONE_CHANNEL["voice"].split())
    assert written | shown["voice"] == set(book().screens) - set(ELSEWHERE)
    assert shown["ussd"] - shown["sms"] == set(ON_ONE_CHANNEL["ussd"].split())
    assert shown["sms"] - shown["ussd"] == set(ON_ONE_CHANNEL["sms"].split())


def test_screens_that_vanuatu_lacks_are_walked_to_elsewhere() -> None:
    shown = {iso: _shown(ways("ussd", iso)) for iso in ELSEWHERE.values()}
    assert [screen for screen, iso in ELSEWHERE.items() if screen not in shown[iso]] == []


def test_every_choice_is_offered_somewhere() -> None:
    walked = [*map(ways, LIMITS), *(ways("ussd", iso) for iso in sorted(set(ELSEWHERE.values())))]
    offered = {
        (view.state.screen, offer.choice.key)
        for graph in walked
        for view in graph.shown_nodes.values()
        for offer in view.layout.offers
    }
    assert {(screen.id, one.key) for screen in book().screens.values() for one in screen.choices} - offered == set()


def _shown(of: StateGraph) -> set[str]:
    return {view.state.screen for view in of.shown_nodes.values()}


VALUES = {
    "danger": ("now", "no"),
    "category": ("harm", "luring", "images", "missing", "exploitation", "bullying", "self_harm", "neglect", "other"),
    "about": ("me", "my_child", "child_i_know", "other", None),
    "about_missing": ("my_child", "sighting", "self_away", None),
    "age_band": ("0-5", "13-15", "18+", "unknown"),
    "send": ("send", "after_all"),
}


@pytest.mark.parametrize("iso", COUNTRIES)
def test_what_is_taken_for_one_state_is_one_to_the_world(iso: str) -> None:
    """The lint relies on `DEPENDS` and `alike`: over random answers, contexts with one key look the same to a flow."""
    of, known = country(iso), catalogues.shipped()
    where = combination(book(), of, known["en"], "ussd", menu_languages(of, known))
    drawn = random.Random(iso)
    places = [None, *(place.code for place in of.places), *of.groups()]
    seen: dict[tuple[object, ...], tuple[object, ...]] = {}
    still: set[tuple[object, ...]] = set()
    for _ in range(300):
        given = {name: drawn.choice(values) for name, values in VALUES.items()} | {"place": drawn.choice(places)}
        avoid = drawn.sample(sorted(of.hotlines), drawn.choice([0, 0, 1]))
        state = _state(given, avoid)
        world = where.context_for(state)
        key = tuple(where.equivalence_key(name, state.values.get(name), state) for name in sorted(ROUTING_QUESTIONS))
        shape = (
            *(world.facts.get(name) for name in CONTEXT_DEPENDENCIES),
            *(name in world.fields for name in CONTEXT_DEPENDENCIES),
            len(world.lists.get("who_else", ())),
            bool(world.lists.get("places_in_group")),
        )
        assert seen.setdefault(key, shape) == shape
        still.add(
            (
                *sorted((name, value) for name, value in world.facts.items() if name not in CONTEXT_DEPENDENCIES),
                *sorted((name, value) for name, value in world.fields.items() if name not in CONTEXT_DEPENDENCIES),
                *sorted((name, str(value)) for name, value in world.lists.items() if name not in CONTEXT_DEPENDENCIES),
            )
        )
    assert len(still) == 1


def _state(given: dict[str, str | None], avoid: list[str]) -> FlowState:
    said = [*given.items(), *(("avoid", name) for name in avoid)]
    answers = tuple(Answer(f"report.{name}", name, value, typed=False, at=NOON) for name, value in said)
    return FlowState("report.send", tuple((one.screen, number) for number, one in enumerate(answers)), answers)


def test_the_lines_of_a_channel_differ_in_what_flows_may_compare() -> None:
    names = {name for lines_ in LINE_FACTS.values() for facts in lines_ for name, _ in facts}
    assert names == {"contactable", "words_before_send", "recordings"}
    first = next(combinations(book(), [country("VU")], catalogues.shipped()))
    assert names <= set(first.context_for(first.starts[0]).facts)
    assert len(set(itertools.chain.from_iterable(LINE_FACTS["ussd"]))) == 4
