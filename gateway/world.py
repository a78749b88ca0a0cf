"""What a screen may know, here and on this channel: numbers, names, places, and who would get the report now."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.model import Option, State, World
from reports.answers import Given, facts_of
from reports.country import Country
from reports.routing import Leg, left_out, route

AT_ONCE = ("primary", "also")
READ_WITHIN = {"P1": 15, "P2": 60, "P3": 1440, "P4": 4320}  # minutes until a person has read it


@dataclass(frozen=True)
class Surroundings:
    """One caller's side of the world. Called with a state, it gives the `World` that the flows may look at."""

    country: Country
    kind: str  # ussd or sms
    contactable: bool  # the provider gave a number that can be called
    live: Collection[str]  # hotlines whose delivery is set up
    drill: bool = False
    words_before_send: bool = False  # on USSD only where the network's card says so
    translate: Callable[[str], str] = str
    said: Mapping[str, str] = field(default_factory=dict)  # words known only now: code, PIN
    told: Mapping[str, str] = field(default_factory=dict)  # facts known only now: the state of a report

    def __call__(self, state: State) -> World:
        country = self.country
        facts = {
            "channel": self.kind,
            "contactable": _yes(self.contactable),
            "has_helpline": _yes(country.helpline() is not None),
            "rescue": _rescue(country),
            "duty": "may" if country.may_have_to_tell else "no",
            "words_before_send": _yes(self.words_before_send),
            "drill": _yes(self.drill),
            **self.told,
        }
        fields = {**country.fields(), **self.said}
        lists = _places(country, state.values)
        if state.values.get("category") is not None:
            legs = self.legs(state)
            at_once = [country.hotlines[leg.hotline] for leg in legs if leg.role in AT_ONCE]
            facts["send_to"] = _send_to(legs, len(at_once), state)
            facts["police_named"] = _yes(any(hotline.kind == "police" for hotline in at_once))
            fields |= {f"send_to_{n}": hotline.screen_name for n, hotline in enumerate(at_once[:2], 1)}
            lists["who_else"] = tuple(Option(leg.hotline, country.hotlines[leg.hotline].screen_name) for leg in legs)
        return World(facts, fields, lists, self.translate)

    def legs(self, state: State, completeness: str = "complete") -> tuple[Leg, ...]:
        """Everybody who can get this report, in order, as the answers stand."""
        facts = facts_of(given(state))
        avoid = left_out(self.country, facts)
        return route(self.country, facts, live=self.live, avoid=avoid, completeness=completeness).legs


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _rescue(country: Country) -> str:
    """Who gets what is never sent: the helpline, another hotline that the country names, nobody."""
    if not country.incomplete_to:
        return "no"
    helpline = country.helpline()
    return "yes" if helpline is not None and helpline.id == country.incomplete_to else "other"


def _send_to(legs: tuple[Leg, ...], at_once: int, state: State) -> str:
    if not legs:
        return "nobody" if state.many("avoid") else "staff"
    return "one" if at_once == 1 else "two"


def _places(country: Country, values: Mapping[str, str | None]) -> dict[str, tuple[Option, ...]]:
    """Groups before Send where the country uses them; the places of the group that was named, after it."""
    groups = country.groups() if country.place_before_send == "group" else ()
    asked = country.place_before_send != "none"
    places = tuple(Option(place.code, place.label) for place in country.places) if asked and not groups else ()
    named = values.get("place")
    inside = tuple(Option(place.code, place.label) for place in country.places if named and place.group == named)
    lists = {"places": places, "place_groups": tuple(Option(group, group) for group in groups)}
    return lists | {"places_in_group": inside if len(inside) > 1 else ()}


def heard(country: Country, row: Any, now: int) -> tuple[dict[str, str], dict[str, str]]:
    """Words and facts about a report whose code and PIN were given. `now`: microseconds.

    Not read in the time that was promised is said as it is (S-39).
    """
    state = row.state
    if state == "delivered" and now - row.created_at > READ_WITHIN[row.priority] * 60_000_000:
        state = "overdue"
    desk = country.hotlines.get(row.desk or "")
    return {"desk": desk.screen_name} if desk else {}, {"report_state": state}


def given(state: State) -> tuple[Given, ...]:
    """The answers as the report takes them: those of the report's own screens, and whether they still count."""
    in_force = state.in_force
    return tuple(
        Given(answer.screen, answer.question, answer.value, answer.typed, answer.at, index in in_force)
        for index, answer in enumerate(state.answers)
        if answer.screen.partition(".")[0] in ("report", "more")
    )
