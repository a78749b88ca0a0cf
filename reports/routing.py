"""Which hotlines get a report, in which order, and why the others do not. Pure; the time of day is no input."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from reports.countries.country import Country
from reports.countries.hotline import Hotline
from reports.facts import Facts

# Everybody who can get a report is named before Send, on one screen (S-11): so many fit, and nobody else ever gets it.
MAX_RECIPIENTS = 3
# Send itself has room for two names; whoever gets it at once is one of them (S-11).
MAX_IMMEDIATE_RECIPIENTS = 2

RecipientRole = Literal["primary", "also", "fallback"]


class Recipient(Struct, frozen=True, array_like=True):
    hotline: str
    role: RecipientRole
    why: str


class Route(Struct, frozen=True):
    """`legs`: primary, also, then fallbacks, in order. `passed_over`: (hotline, reason). `avoid`: left out."""

    legs: tuple[Recipient, ...]
    passed_over: tuple[tuple[str, str], ...] = ()
    avoid: tuple[str, ...] = ()

    @property
    def at_once(self) -> tuple[Recipient, ...]:
        """Who gets it on Send. The others get it when the one before them gives no receipt."""
        return tuple(leg for leg in self.legs if leg.role != "fallback")


def avoided_hotlines(country: Country, facts: Facts) -> tuple[str, ...]:
    """The hotlines that the reporter wants left out. Where that left nobody, the helpline may get it "after all"."""
    spared = incomplete_hotline(country) if facts.after_all else None
    return tuple(name for name in country.hotlines if name in facts.avoid and name != spared)


def incomplete_hotline(country: Country) -> str | None:
    """The one hotline that gets what was never sent: `incomplete_to`, else the child helpline, else none."""
    if country.incomplete_to:
        return country.incomplete_to
    return next((h.id for h in country.hotlines.values() if h.kind == "child_helpline"), None)


def find_route(
    country: Country,
    facts: Facts,
    *,
    live: Collection[str],
    avoid: Collection[str],
    completeness: str = "complete",
) -> Route:
    """`live`: ids of hotlines whose delivery is set up. No legs: nobody can get it, and a person must be told."""
    avoided = tuple(name for name in country.hotlines if name in avoid)
    if completeness == "incomplete":
        return _incomplete(country, live, avoided)
    takers, places = country.hotlines_for_category(facts.category or "other"), country.place_codes(facts.place)
    reasons = {
        h.id: _passed_over(h, facts, places, avoided) if _is_live(h, country, live) else "NOT_LIVE" for h in takers
    }
    able = [h for h in takers if not reasons[h.id]]
    passed = tuple((name, why) for name, why in reasons.items() if why)
    return Route(tuple(_legs(able, country, facts))[:MAX_RECIPIENTS], passed, avoided)


def _incomplete(country: Country, live: Collection[str], avoided: Sequence[str]) -> Route:
    name = incomplete_hotline(country)
    hotline = country.hotlines.get(name or "")
    if hotline is None:
        return Route((), (), tuple(avoided))
    why = "AVOIDED" if hotline.id in avoided else "" if _is_live(hotline, country, live) else "NOT_LIVE"
    if why:
        return Route((), ((hotline.id, why),), tuple(avoided))
    return Route((Recipient(hotline.id, "primary", "INCOMPLETE_ONLY"),), (), tuple(avoided))


def _is_live(hotline: Hotline, country: Country, live: Collection[str]) -> bool:
    return hotline.id in live and (country.mode != "live" or hotline.agreed())


def _passed_over(hotline: Hotline, facts: Facts, places: frozenset[str], avoided: Sequence[str]) -> str:
    """Why this hotline does not get it; empty when it can. `places`: the codes of the place named."""
    if not hotline.covers_category(facts.category or "other"):
        return "CATEGORY"
    if not hotline.covers_place(places):
        return "PLACE"
    if not hotline.covers_age(facts.age_band):
        return "AGE"
    return "AVOIDED" if hotline.id in avoided else ""


def _legs(able: Sequence[Hotline], country: Country, facts: Facts) -> Iterator[Recipient]:
    if not able:
        return
    yield Recipient(able[0].id, "primary", "CATEGORY_FIRST")
    taken = {able[0].id}
    for kind, why in _also(country, facts):
        also = next((h for h in able if h.kind == kind), None)
        if also and also.id not in taken:
            if len(taken) < MAX_IMMEDIATE_RECIPIENTS:
                yield Recipient(also.id, "also", why)
            else:
                yield Recipient(also.id, "fallback", "NO_RECEIPT")
            taken.add(also.id)
    for hotline in able:
        if hotline.id not in taken:
            yield Recipient(hotline.id, "fallback", "NO_RECEIPT")


def _also(country: Country, facts: Facts) -> Iterator[tuple[str, str]]:
    """The kinds that get it at once beside the primary; only the first that can take it, the next are asked after."""
    if facts.category == "missing":
        yield "police", "ALSO_POLICE_MISSING"
    if facts.danger == "now" and country.police_on_danger_now:
        yield "police", "ALSO_DANGER"
    if facts.category in ("luring", "bullying"):
        yield "internet_hotline", "ALSO_ONLINE"
    if facts.category == "images" and facts.about in ("me", "my_child", "child_i_know"):
        yield "child_helpline", "ALSO_CHILD"
