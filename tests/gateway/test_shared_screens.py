"""A screen laid out once for all reporters equals the one laid out for each, and contains no reporter's data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from flows import catalogues
from flows.catalogues import Catalogue
from flows.dependencies import inputs_of
from flows.model import FACTS, Answer, FlowState, ScreenContext
from flows.renderer import lay_out
from gateway.conversation.context import CountryContext, RenderContext, new_layout_cache
from reports.countries.country import Country
from tests.flows.phone import book
from tests.flows.test_countries import COUNTRIES, country
from tokaut.screens.combinations import LIMITS, menu_languages, sample_fields

LOOKS = {name: inputs_of(screen) for name, screen in book().screens.items()}
OF_ONE_CALLER = {"code", "pin", "message", "messages", "desk", "opens", "meant", "send_to_1", "send_to_2"}
ANSWERS = (
    {},
    {"danger": "now"},
    {"danger": "no", "category": "missing", "place": "VU-SEE", "contact": "none"},
    {"danger": "no", "category": "self_harm", "about": "other", "about_missing": "other"},
)


def languages(of: Country) -> Iterator[tuple[Catalogue, CountryContext]]:
    there = menu_languages(of, catalogues.shipped())
    yield from ((one, CountryContext.of(of, one, there)) for one in there)


def state(screen: str, answers: dict[str, str], language: str) -> FlowState:
    given = {"language": language, **answers}
    trail = tuple(("report.category", index) for index, _ in enumerate(given))
    return FlowState(
        screen, trail, tuple(Answer("report.category", name, value, False, 1) for name, value in given.items())
    )


@pytest.mark.parametrize("iso", COUNTRIES)
@pytest.mark.parametrize("channel", ["ussd", "sms"])
def test_everybody_gets_what_they_would_get_alone(iso: str, channel: str) -> None:
    of, limit = country(iso), LIMITS[channel]
    for language, ground in languages(of):
        shared = new_layout_cache(ground, channel, drill=False, inputs_by_screen=LOOKS)
        callers = [
            RenderContext(
                {language.tag: ground}, channel, seen, of.hotlines, False, waits, sample_fields(of, language), {}
            )
            for seen, waits in ((True, False), (False, True))
        ]
        for name in shared.screens:
            screen = book().screens[name]
            for caller in callers:
                for answers in ANSWERS:
                    now = state(name, answers, language.tag)
                    alone = lay_out(screen, now.values, caller(now), limit)
                    among = replace(caller(now), common=shared)
                    assert lay_out(screen, now.values, among, limit) == alone
                    assert lay_out(screen, now.values, among, limit) is lay_out(screen, now.values, among, limit)
        assert {name for name, *_ in shared.layouts} == shared.screens.keys()


def test_a_screen_is_laid_out_anew_only_if_a_condition_reads_the_answer_differently() -> None:
    shared = new_layout_cache(CountryContext.of(country("VU")), "ussd", drill=False, inputs_by_screen=LOOKS)
    assert {"report.age", "report.place", "report.contact", "report.care", "more.told_3"} <= shared.screens.keys()
    for name, questions in shared.screens.items():
        shared.layouts.clear()
        screen, among = book().screens[name], replace(shared.context, common=shared)
        choices = [sorted({None, "another"}.union(*sets), key=str) for _, sets in questions]
        for values in product(*choices):
            answers = dict(zip((question for question, _ in questions), values, strict=True))
            alone = lay_out(screen, answers, shared.context, LIMITS["ussd"])
            assert lay_out(screen, answers, among, LIMITS["ussd"]) == alone
        assert all(type(part) is bool for *_, parts in shared.layouts for part in parts)
    shared.layouts.clear()
    among = replace(shared.context, common=shared)
    for category in ("hurt", "bullying", "self_harm", "typed by nobody", None):
        lay_out(book().screens["report.age"], {"category": category}, among, LIMITS["ussd"])
    assert len(shared.layouts) == 2


def test_reporters_share_a_context_unless_their_session_adds_to_it() -> None:
    of = country("VU")
    ground = CountryContext.of(of)
    shared = new_layout_cache(ground, "ussd", drill=False, inputs_by_screen=LOOKS)

    def context_of(answers: dict[str, str], *, contactable: bool = True, **more: Any) -> ScreenContext:
        given = {"layout_caches": {"en": shared}, "route_screens": frozenset(), **more}
        caller = RenderContext({"en": ground}, "ussd", contactable, of.hotlines, **given)
        return caller(state("report.age", answers, "en"))

    plain = context_of({"danger": "no", "category": "hurt"})
    assert context_of({"danger": "now", "category": "self_harm"}) is plain
    assert context_of({"place": "nowhere"}) is plain
    assert context_of({}, contactable=False).facts["contactable"] == "no"
    assert context_of({}, session_fields={"code": "1234 5678"}).fields["code"] == "1234 5678"
    assert context_of({}, session_facts={"report_code": "new"}).facts["report_code"] == "new"
    assert context_of({"help_place": of.places[0].code}) is not plain
    for group, places in ground.inside.items():
        assert context_of({"place": group}).lists["places_in_group"] == places
    alone = RenderContext({"en": ground}, "ussd", True, of.hotlines, route_screens=frozenset())
    assert alone(state("report.age", {}, "en")) == replace(plain, common=None)


def test_nothing_of_a_caller_is_known_where_it_is_laid_out() -> None:
    ground = CountryContext.of(country("VU"))
    shared = new_layout_cache(ground, "ussd", drill=False, inputs_by_screen=LOOKS)
    assert {"home.home", "report.danger", "report.category"} <= shared.screens.keys()
    assert not shared.screens.keys() & {
        "report.send",
        "report.who_else",
        "report.sent",
        "my.state",
        "my.message",
        "more.place",
    }
    for name in shared.screens:
        assert not LOOKS[name].fields & OF_ONE_CALLER
        assert not (LOOKS[name].compared.keys() & FACTS.keys()) - shared.context.facts.keys()
    questions = {screen.question for screen in book().screens.values() if screen.question}
    assert not questions & set(shared.context.facts)


def test_in_a_drill_it_says_so() -> None:
    shared = new_layout_cache(CountryContext.of(country("VU")), "ussd", drill=True, inputs_by_screen=LOOKS)
    world = replace(shared.context, common=shared)
    assert lay_out(book().screens["report.danger"], {}, world, LIMITS["ussd"]).pages[0].text.startswith("DRILL")
