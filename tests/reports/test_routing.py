"""Routing: every country, category and place, with every choice of left-out hotlines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.conversation.context import CountryContext
from reports.countries.country import Country, load_countries, shipped_countries
from reports.countries.hotline import KINDS_BY_CATEGORY
from reports.facts import AGE_BANDS, Facts
from reports.routing import MAX_RECIPIENTS, Route, avoided_hotlines, find_route, incomplete_hotline
from tests.reports.sample import COUNTRIES, FJ, KE, VU

SHIPPED = load_countries(shipped_countries(), "demo")
ABOUT = (None, "me", "my_child", "child_i_know", "other")


def ids(made: Route) -> list[str]:
    return [f"{recipient.hotline} {recipient.role} {recipient.why}" for recipient in made.recipients]


def subsets(country: Country) -> Iterator[tuple[str, ...]]:
    names = tuple(country.hotlines)
    return (chosen for n in range(len(names) + 1) for chosen in combinations(names, n))


def everything(country: Country) -> Iterator[tuple[Facts, tuple[str, ...]]]:
    places = (None, *country.groups(), *(place.code for place in country.places))
    for category, place, about, avoid in product(KINDS_BY_CATEGORY, places, ABOUT, subsets(country)):
        yield Facts(category=category, place=place, about=about, avoid=avoid), avoid


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("country", list(SHIPPED), ids=lambda country: country.iso)
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_report_goes_to_whom_it_may_go_in_every_shipped_country(country: Country, data: st.DataObject) -> None:
    places = [None, "by the river", *country.groups(), *(place.code for place in country.places)]
    facts = Facts(
        category=data.draw(st.sampled_from([None, *KINDS_BY_CATEGORY])),
        place=data.draw(st.sampled_from(places)),
        about=data.draw(st.sampled_from(ABOUT)),
        age_band=data.draw(st.sampled_from(["unknown", *AGE_BANDS])),
        danger=data.draw(st.sampled_from([None, "now", "soon", "no"])),
    )
    avoid, live = (data.draw(st.sets(st.sampled_from(list(country.hotlines)))) for _ in range(2))
    category, codes = facts.category or "other", country.place_codes(facts.place)
    may_get_it = {
        hotline.id
        for hotline in country.hotlines_for_category(category)
        if hotline.covers_category(category) and hotline.covers_age(facts.age_band) and hotline.covers_place(codes)
    } & (live - avoid)
    route = find_route(country, facts, live=live, avoid=avoid)
    chosen = [recipient.hotline for recipient in route.recipients]
    assert len(set(chosen)) == len(chosen) == min(len(may_get_it), MAX_RECIPIENTS) and set(chosen) <= may_get_it
    at_once = {country.hotlines[recipient.hotline].kind for recipient in route.at_once}
    if category == "missing" and any(country.hotlines[name].kind == "police" for name in may_get_it):
        assert "police" in at_once


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("country", list(COUNTRIES), ids=lambda country: country.iso)
def test_every_country_category_place_about_and_choice(country: Country) -> None:
    live = set(country.hotlines)
    for facts, avoid in everything(country):
        made = find_route(country, facts, live=live, avoid=avoid)
        named = [recipient.hotline for recipient in made.recipients]
        left = [
            h.id for h in country.hotlines_for_category(facts.category or "") if h.covers_category(facts.category or "")
        ]
        able = [name for name in left if name not in avoid]
        assert made == find_route(country, facts, live=live, avoid=list(reversed(avoid)))
        assert len(named) == len(set(named)) == min(len(able), MAX_RECIPIENTS)
        assert set(named) <= set(able)
        assert named[:1] == able[:1]
        assert [recipient.role for recipient in made.recipients] == sorted(
            (recipient.role for recipient in made.recipients), key=ROLES.index
        )
        assert made.avoid == avoid
        assert {name for name, why in made.passed_over if why == "AVOIDED"} == set(left) & set(avoid)


ROLES = ("primary", "also", "fallback")


@pytest.mark.parametrize("country", list(COUNTRIES), ids=lambda country: country.iso)
def test_a_missing_child_always_goes_to_police_at_once(country: Country) -> None:
    for facts, avoid in everything(country):
        if facts.category == "missing":
            made = find_route(country, facts, live=set(country.hotlines), avoid=avoid)
            police = [h.id for h in country.hotlines.values() if h.kind == "police" and h.id not in avoid]
            assert set(police[:1]) <= {recipient.hotline for recipient in made.at_once}


@pytest.mark.parametrize(
    ("country", "category", "about", "avoid", "recipients"),
    [
        (VU, "harm", "me", (), "vu-pikinini vu-womens-centre? vu-police?"),
        (VU, "images", "other", (), "vu-pikinini vu-police?"),
        (VU, "missing", "my_child", (), "vu-pikinini vu-police+"),
        (VU, "missing", "my_child", ("vu-pikinini",), "vu-police"),
        (VU, "missing", "my_child", ("vu-police",), "vu-pikinini"),
        (VU, "exploitation", "other", (), "vu-pikinini vu-police? vu-womens-centre?"),
        (VU, "harm", "me", ("vu-pikinini", "vu-police"), "vu-womens-centre"),
        (VU, "harm", "me", ("vu-pikinini", "vu-womens-centre", "vu-police"), ""),
        (FJ, "images", "other", (), "fj-online-safety fj-child-helpline? fj-police-cid?"),
        (FJ, "images", "me", (), "fj-online-safety fj-child-helpline+ fj-police-cid?"),
        (FJ, "images", "me", ("fj-online-safety",), "fj-child-helpline fj-police-cid?"),
        (FJ, "luring", "me", (), "fj-child-helpline fj-online-safety+ fj-domestic-violence?"),
        (FJ, "bullying", "me", ("fj-child-helpline",), "fj-online-safety fj-domestic-violence? fj-police-cid?"),
        (FJ, "harm", "me", (), "fj-child-helpline fj-domestic-violence? fj-police-cid?"),
        (KE, "missing", "my_child", (), "ke-child-helpline"),
        (KE, "harm", "me", (), "ke-child-helpline"),
    ],
)
def test_the_order_of_three_countries(
    country: Country, category: str, about: str, avoid: tuple[str, ...], recipients: str
) -> None:
    made = find_route(country, Facts(category=category, about=about), live=set(country.hotlines), avoid=avoid)
    sign = {"primary": "", "also": "+", "fallback": "?"}
    assert " ".join(recipient.hotline + sign[recipient.role] for recipient in made.recipients) == recipients


@pytest.mark.parametrize("country", list(COUNTRIES), ids=lambda country: country.iso)
def test_a_report_that_was_never_sent_goes_to_one_hotline(country: Country) -> None:
    helpline = incomplete_hotline(country)
    for facts, avoid in everything(country):
        made = find_route(country, facts, live=set(country.hotlines), avoid=avoid, completeness="incomplete")
        assert ids(made) == ([] if helpline in avoid else [f"{helpline} primary INCOMPLETE_ONLY"])


def test_without_a_child_helpline_a_named_hotline_gets_what_was_never_sent() -> None:
    others = {name: h for name, h in VU.hotlines.items() if name != "vu-pikinini"}
    facts = Facts(category="harm", danger="now")
    nobody = replace(VU, hotlines=others, incomplete_to="")
    named = replace(VU, hotlines=others, incomplete_to="vu-womens-centre")
    assert ids(find_route(nobody, facts, live=set(others), avoid=(), completeness="incomplete")) == []
    assert ids(find_route(named, facts, live=set(others), avoid=(), completeness="incomplete")) == [
        "vu-womens-centre primary INCOMPLETE_ONLY"
    ]


def test_a_hotline_that_is_not_set_up_gets_nothing() -> None:
    made = find_route(VU, Facts(category="harm"), live={"vu-womens-centre"}, avoid=())
    assert ids(made) == ["vu-womens-centre primary CATEGORY_FIRST"]
    assert made.passed_over == (("vu-pikinini", "NOT_LIVE"), ("vu-police", "NOT_LIVE"))
    incomplete = find_route(VU, Facts(), live={"vu-police"}, avoid=(), completeness="incomplete")
    assert (incomplete.recipients, incomplete.passed_over) == ((), (("vu-pikinini", "NOT_LIVE"),))


@pytest.mark.rule("S-34")
def test_live_mode_gives_nothing_to_a_hotline_without_a_partner_card() -> None:
    made = find_route(replace(VU, mode="live"), Facts(category="harm"), live=set(VU.hotlines), avoid=())
    assert made.recipients == ()
    assert {why for _, why in made.passed_over} == {"NOT_LIVE"}


@pytest.mark.parametrize(
    ("card", "facts", "why"),
    [
        ({"categories": ("images",)}, Facts(category="harm"), "CATEGORY"),
        ({"places": ("VU-SAM",)}, Facts(category="harm", place="VU-SEE"), "PLACE"),
        ({"places": ("VU-SAM",)}, Facts(category="harm"), ""),
        ({"ages": ("13-15", "16-17")}, Facts(category="harm", age_band="6-9"), "AGE"),
        ({"ages": ("13-15", "16-17")}, Facts(category="harm"), ""),
    ],
)
@pytest.mark.rule("S-21")
def test_a_hotline_is_passed_over_for_what_it_does_not_take(card: dict[str, Any], facts: Facts, why: str) -> None:
    first = VU.hotlines["vu-pikinini"]
    narrow = replace(first, card=replace(first.card, **card))
    country = replace(VU, hotlines={**VU.hotlines, first.id: narrow})
    made = find_route(country, facts, live=set(country.hotlines), avoid=())
    assert dict(made.passed_over).get(first.id, "") == why
    assert made.recipients[0].hotline == ("vu-womens-centre" if why else first.id)


def test_a_group_of_places_is_covered_by_a_hotline_for_one_of_them() -> None:
    first = KE.hotlines["ke-child-helpline"]
    country = replace(KE, hotlines={first.id: replace(first, card=replace(first.card, places=("KE-28",)))})
    for place, covered in (("Coast", True), ("KE-28", True), ("KE-14", False), ("Nyanza", False), (None, True)):
        made = find_route(country, Facts(category="harm", place=place), live={first.id}, avoid=())
        assert bool(made.recipients) is covered, place


def test_police_get_danger_now_only_where_the_country_has_agreed_to_it() -> None:
    facts = Facts(category="harm", danger="now")
    agreed = replace(VU, police_on_danger_now=True)
    assert [recipient.role for recipient in find_route(VU, facts, live=set(VU.hotlines), avoid=()).recipients].count(
        "also"
    ) == 0
    assert "vu-police also ALSO_DANGER" in ids(find_route(agreed, facts, live=set(VU.hotlines), avoid=()))


@pytest.mark.rule("S-26")
def test_with_nobody_left_the_helpline_may_get_it_after_all() -> None:
    everybody = tuple(VU.hotlines)
    assert avoided_hotlines(VU, Facts(avoid=everybody)) == everybody
    after_all = Facts(category="harm", avoid=everybody, after_all=True)
    assert avoided_hotlines(VU, after_all) == ("vu-womens-centre", "vu-police")
    made = find_route(VU, after_all, live=set(VU.hotlines), avoid=avoided_hotlines(VU, after_all))
    assert ids(made) == ["vu-pikinini primary CATEGORY_FIRST"]


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("country", [VU, FJ, KE], ids=lambda country: country.iso)
def test_nobody_gets_it_at_once_whom_the_send_screen_does_not_name(country: Country) -> None:
    """The screen has room for two names; a third hotline would get the report unnamed."""
    agreed = replace(country, police_on_danger_now=True)
    for category, about, danger in product(KINDS_BY_CATEGORY, ABOUT, (None, "now")):
        facts = Facts(category=category, about=about, danger=danger)
        made = find_route(agreed, facts, live=set(agreed.hotlines), avoid=())
        assert len(made.at_once) <= 2, facts
        assert [recipient.role for recipient in made.recipients] == sorted(
            (recipient.role for recipient in made.recipients), key=ROLES.index
        )


def test_who_would_be_the_third_at_once_is_the_first_fallback() -> None:
    agreed = replace(FJ, police_on_danger_now=True)
    facts = Facts(category="images", about="me", danger="now")
    assert ids(find_route(agreed, facts, live=set(FJ.hotlines), avoid=())) == [
        "fj-online-safety primary CATEGORY_FIRST",
        "fj-police-cid also ALSO_DANGER",
        "fj-child-helpline fallback NO_RECEIPT",
    ]


@pytest.mark.parametrize(
    ("country", "category", "about", "others"),
    [
        (VU, "missing", "my_child", ["vu-police also ALSO_POLICE_MISSING"]),
        (FJ, "luring", "me", ["fj-online-safety also ALSO_ONLINE", "fj-domestic-violence fallback NO_RECEIPT"]),
        (FJ, "bullying", "me", ["fj-online-safety also ALSO_ONLINE", "fj-domestic-violence fallback NO_RECEIPT"]),
        (FJ, "images", "me", ["fj-child-helpline also ALSO_CHILD", "fj-police-cid fallback NO_RECEIPT"]),
        (FJ, "images", "my_child", ["fj-child-helpline also ALSO_CHILD", "fj-police-cid fallback NO_RECEIPT"]),
        (FJ, "images", "child_i_know", ["fj-child-helpline also ALSO_CHILD", "fj-police-cid fallback NO_RECEIPT"]),
        (FJ, "images", "other", ["fj-child-helpline fallback NO_RECEIPT", "fj-police-cid fallback NO_RECEIPT"]),
    ],
)
def test_why_others_get_it_beside_the_first(country: Country, category: str, about: str, others: list[str]) -> None:
    made = find_route(country, Facts(category=category, about=about), live=set(country.hotlines), avoid=())
    assert ids(made)[1:] == others


@pytest.mark.rule("S-12")
def test_incomplete_reports_go_only_to_the_hotline_that_screens_name() -> None:
    """In Ethiopia the helpline got them though no screen said so, and Delete then showed an empty screen."""
    nobody = replace(VU, incomplete_to="")
    assert (incomplete_hotline(nobody), CountryContext.of(nobody).facts["rescue"]) == (None, "no")
    assert ids(find_route(nobody, Facts(), live=set(VU.hotlines), avoid=(), completeness="incomplete")) == []
    assert incomplete_hotline(replace(VU, incomplete_to="vu-police")) == "vu-police"
    for country in SHIPPED:
        told = CountryContext.of(country).fields["incomplete_name"]
        named = country.hotlines.get(incomplete_hotline(country) or "")
        assert told == (named.screen_name if named else "")


@pytest.mark.parametrize(
    ("live", "avoid", "why"), [((), (), "NOT_LIVE"), (("vu-pikinini",), ("vu-pikinini",), "AVOIDED")]
)
def test_why_nobody_gets_an_incomplete_report(live: tuple[str, ...], avoid: tuple[str, ...], why: str) -> None:
    made = find_route(VU, Facts(category="harm"), live=live, avoid=avoid, completeness="incomplete")
    assert made.recipients == () and made.passed_over == (("vu-pikinini", why),)
