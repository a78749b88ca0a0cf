"""Every way through the flows, as states and not as raw paths: walks that differ in nothing that still matters are one.

Country, language and channel are handed in; every reply goes through the engine, as a person's does. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from flows.engine import WorldOf
from flows.fit import Limit
from flows.model import Laid, State, World

Key = tuple[Hashable, ...]
Facts = tuple[tuple[str, str], ...]

NOON = 1_795_000_000  # unix seconds; nothing depends on it


@dataclass(frozen=True, slots=True)
class Where:
    """A country, a language and a channel. `begin`: where a conversation may begin there; `lines`: what facts differ
    from line to line. `notices`: screens that are shown beside any conversation.

    `depends`: the facts, fields and lists of the world that change with answers, each with the questions that they
    depend on. `alike`: what the world looks at of the answer to a question. `longest`: fields that may be as long.
    """

    country: str
    language: str
    channel: str  # ussd or sms
    limit: Limit
    world_of: WorldOf
    begin: tuple[State, ...]
    notices: tuple[str, ...]
    depends: Mapping[str, frozenset[str]]
    alike: Callable[[str, str | None, State], Hashable]
    lines: tuple[Facts, ...] = ((),)
    longest: Mapping[str, str] = field(default_factory=dict)
    source_of: Callable[[str], tuple[str, int] | None] = lambda _: None  # file and line of a message's translation

    def __str__(self) -> str:
        return f"{self.country} {self.language} {self.channel}"


class Spot(Struct, frozen=True):
    """A screen with those answers that matter from there on; `state` is the shortest walk to it."""

    key: Key
    state: State
    told: Facts  # what is special about the line, and what an effect has told
    laid: Laid

    def world_of(self, where: Where, fields: Mapping[str, str] | None = None) -> World:
        """The world here, in the language of `where`; `fields` take the place of those that are there."""
        world = where.world_of(self.state)
        named = {name: words for name, words in (fields or {}).items() if name in world.fields}
        return replace(world, facts={**world.facts, **dict(self.told)}, fields={**world.fields, **named})


@dataclass(frozen=True, slots=True)
class Way:
    """One reply at one spot. `page`: where its choice stands, from 0. `typed`: letters, where it is no choice.
    `back`: it is `0` where that goes back."""

    reply: str
    page: int
    to: Key
    effect: str | None = None
    outcome: str | None = None
    typed: int = 0
    back: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A reply that the engine cannot take anywhere."""

    screen: str
    reply: str
    why: str


@dataclass(slots=True)
class Ways:
    where: Where
    spots: dict[Key, Spot] = field(default_factory=dict)
    ways: dict[Key, list[Way]] = field(default_factory=dict)
    views: dict[Key, Spot] = field(default_factory=dict)  # those that differ in what they show
    begin: list[Key] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
