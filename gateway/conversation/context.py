"""What a screen may know, here and on this channel: numbers, names, places, and who would get the report now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from flows.catalogues import ENGLISH_CATALOGUE, Catalogue, language_options
from flows.dependencies import ScreenInputs
from flows.model import FlowState, LayoutCache, Option, ScreenContext
from reports.countries.country import Country
from reports.countries.law import is_law_known
from reports.facts import GivenAnswer, derive_facts
from reports.routing import Recipient, avoided_hotlines, find_route

AT_ONCE = ("primary", "also")
ROUTED = frozenset({"send_to", "police_named", "send_to_1", "send_to_2", "who_else"})  # what follows from who gets it
LETTERS = ("my.message", "my.next")


class UnroutedFact(str):
    """In place of a fact that was not worked out: a screen that was not to look at it must not go on by it."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise LookupError("who gets the report was not worked out for this screen")


NOT_ROUTED = {"send_to": UnroutedFact(), "police_named": UnroutedFact()}


@dataclass(frozen=True, slots=True)
class CountryContext:
    """What holds in a country whoever calls and whatever was answered: worked out once, not at each screen."""

    country: Country
    facts: Mapping[str, str]
    fields: Mapping[str, str]
    lists: Mapping[str, tuple[Option, ...]]
    inside: Mapping[str, tuple[Option, ...]]  # the places of a group, where it has more than one
    language: Catalogue = ENGLISH_CATALOGUE

    @classmethod
    def of(
        cls, country: Country, language: Catalogue = ENGLISH_CATALOGUE, languages: Sequence[Catalogue] = ()
    ) -> CountryContext:
        """`languages`: all that are offered there."""
        fields = country.fields(language.say)
        facts = {
            "helpline_texts": _yes(bool(fields["helpline_sms"])),
            "languages": "several" if len(languages) > 1 else "one",
            "has_helpline": _yes(country.helpline() is not None),
            "rescue": _rescue(country),
            "law": "known" if is_law_known(country.law) else "unknown",
            "duty": "may" if country.may_have_duty_to_report else "no",
        }
        inside = {group: _places(country, group) for group in country.groups()}
        several = {group: places for group, places in inside.items() if len(places) > 1}
        lists = {**_before_send(country), "languages": language_options(languages)}
        return cls(country, facts, fields, lists, several, language)


def common(ground: CountryContext, kind: str, *, drill: bool, looks: Mapping[str, ScreenInputs]) -> LayoutCache:
    """What everybody gets to see alike there. `looks`: at what each screen does."""
    facts = {**ground.facts, "channel": kind, "drill": _yes(drill)}
    world = ScreenContext(facts, ground.fields, ground.lists, ground.language.say)
    return LayoutCache(frozenset(name for name, one in looks.items() if one.provided_by(world)), world)


class RenderContext(Struct, frozen=True):
    """One caller's side of the world. Called with a state, it gives the `World` that the flows may look at: the same
    one again where nothing was answered since."""

    grounds: Mapping[str, CountryContext]  # by language; the first is where a call begins
    kind: str  # ussd or sms
    contactable: bool  # the provider gave a number that can be called
    live: Collection[str]  # hotlines whose delivery is set up
    drill: bool = False
    words_before_send: bool = False  # on USSD only where the network's card says so
    said: Mapping[str, str] = field(default_factory=dict)  # words known only now: code, PIN
    told: Mapping[str, str] = field(default_factory=dict)  # facts known only now: the state of a report
    letters: tuple[str, ...] = ()  # what staff wrote, the newest first; read one after the other
    routed: Collection[str] | None = None  # the screens that look at who would get the report; None: any may
    common: Mapping[str, LayoutCache] = field(default_factory=dict)  # by language
    made: list[tuple[FlowState, ScreenContext, bool]] = field(
        default_factory=list
    )  # its own: the last one that was given

    def knowing(self, **more: Any) -> RenderContext:
        """The same caller's, with more `said`, `told` or written than before; a plain `replace` would keep `made`."""
        return replace(self, **more, made=[])

    def __call__(self, state: FlowState) -> ScreenContext:
        routed = self.routed is None or state.screen in self.routed
        if self.made:
            before, world, was_routed = self.made[-1]
            if before.trail is state.trail and before.answers is state.answers and was_routed >= routed:
                return world
        world = self._world(state, routed=routed)
        self.made[:] = [(state, world, routed)]
        return world

    def _world(self, state: FlowState, *, routed: bool) -> ScreenContext:
        values = state.values
        ground = self._ground(values)
        facts = {
            **ground.facts,
            "channel": self.kind,
            "contactable": _yes(self.contactable),
            "words_before_send": _yes(self.words_before_send),
            "drill": _yes(self.drill),
            **self.told,
        }
        fields = {**ground.fields, **self.said}
        if "report_state" in self.told:
            facts |= self._mail(state, fields)
        lists = {**ground.lists, "places_in_group": ground.inside.get(values.get("place") or "", ())}
        if not routed:
            facts |= NOT_ROUTED
        elif values.get("category") is not None:
            legs = self._legs(ground.country, state)
            hotlines = ground.country.hotlines
            at_once = [hotlines[leg.hotline] for leg in legs if leg.role in AT_ONCE]
            facts["send_to"] = _send_to(legs, len(at_once), state)
            facts["police_named"] = _yes(any(hotline.kind == "police" for hotline in at_once))
            fields |= {f"send_to_{n}": hotline.screen_name for n, hotline in enumerate(at_once[:2], 1)}
            lists["who_else"] = tuple(Option(leg.hotline, hotlines[leg.hotline].screen_name) for leg in legs)
        return ScreenContext(facts, fields, lists, ground.language.say, self.common.get(ground.language.tag))

    def _mail(self, state: FlowState, fields: dict[str, str]) -> dict[str, str]:
        """Which of the messages is read now: each that was walked just before was one more."""
        walked = takewhile(lambda name: name in LETTERS, (name for name, _ in reversed(state.trail)))
        before, there = sum(1 for _ in walked), len(self.letters)
        fields |= {"messages": str(there), "message": self.letters[min(before, there - 1)] if there else ""}
        return {"messages": "some" if there else "none", "another": _yes(before + 1 < there)}

    def ground_in(self, state: FlowState) -> CountryContext:
        """In the language that was chosen in this call, else in the first."""
        return self._ground(state.values)

    def _ground(self, values: Mapping[str, str | None]) -> CountryContext:
        return self.grounds.get(values.get("language") or "") or next(iter(self.grounds.values()))

    def legs(self, state: FlowState, completeness: str = "complete") -> tuple[Recipient, ...]:
        """Everybody who can get this report, in order, as the answers stand."""
        return self._legs(self.ground_in(state).country, state, completeness)

    def _legs(self, country: Country, state: FlowState, completeness: str = "complete") -> tuple[Recipient, ...]:
        facts = derive_facts(given(state))
        avoid: Collection[str] = avoided_hotlines(country, facts)
        if completeness == "incomplete":  # no screen names who gets it, so who was left out on any walk stays out
            avoid = {answer.value for answer in state.answers if answer.question == "avoid" and answer.value}
        return find_route(country, facts, live=self.live, avoid=avoid, completeness=completeness).legs


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _rescue(country: Country) -> str:
    """Who gets what is never sent: the helpline, another hotline that the country names, nobody."""
    if not country.incomplete_to:
        return "no"
    helpline = country.helpline()
    return "yes" if helpline is not None and helpline.id == country.incomplete_to else "other"


def _send_to(legs: tuple[Recipient, ...], at_once: int, state: FlowState) -> str:
    if not legs:
        return "nobody" if state.many("avoid") else "staff"
    return "one" if at_once == 1 else "two"


def _before_send(country: Country) -> dict[str, tuple[Option, ...]]:
    """Groups where the country uses them, else places; the places of the group that was named are asked after Send."""
    groups = country.groups() if country.place_before_send == "group" else ()
    places = _places(country) if country.place_before_send != "none" and not groups else ()
    return {"places": places, "place_groups": tuple(Option(group, group) for group in groups)}


def _places(country: Country, group: str | None = None) -> tuple[Option, ...]:
    return tuple(Option(place.code, place.label) for place in country.places if group in (None, place.group))


def given(state: FlowState) -> tuple[GivenAnswer, ...]:
    """The answers as the report takes them: those of the report's own screens, and whether they still count."""
    in_force = state.in_force
    return tuple(
        GivenAnswer(answer.screen, answer.question, answer.value, answer.typed, answer.at, index in in_force)
        for index, answer in enumerate(state.answers)
        if answer.screen.partition(".")[0] in ("report", "more")
    )
