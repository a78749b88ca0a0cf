"""What a flow is once read, and what the engine walks: screens, states, the world that fills the words. Pure data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec import field as struct_field

from flows.pagination import ScreenLimit, ScreenPage


class Answer(Struct, frozen=True):
    """`value` is the choice's code, the text as typed, or None where it was skipped. `at` is unix seconds, UTC."""

    screen: str
    question: str
    value: str | None
    typed: bool
    at: int


class UnpromptedText(Struct, frozen=True):
    """Words sent where a choice was asked."""

    at: int
    screen: str
    text: str


class FlowState(Struct, frozen=True):
    """Where a conversation is. `trail` holds each screen walked with the index of the answer given there (-1: none);
    Back pops it. `answers` keeps every answer ever given: those on the trail are in force."""

    screen: str
    trail: tuple[tuple[str, int], ...] = ()
    answers: tuple[Answer, ...] = ()
    unasked: tuple[UnpromptedText, ...] = ()
    page: int = 0
    wrong: int = 0  # wrong replies in a row; at 3 the notice with the numbers covers the screen

    @property
    def values(self) -> dict[str, str | None]:
        """The answers in force by question; of a question answered twice on the trail, the last."""
        given = self.answers
        return {given[index].question: given[index].value for _, index in self.trail if index >= 0}

    def many(self, question: str) -> tuple[str, ...]:
        """All values in force of a question that may be answered more than once, in order."""
        kept = (self.answers[index] for _, index in self.trail if index >= 0)
        return tuple(answer.value for answer in kept if answer.question == question and answer.value is not None)

    @property
    def in_force(self) -> frozenset[int]:
        """Indices into `answers`."""
        return frozenset(index for _, index in self.trail if index >= 0)

    def at(self, screen: str) -> FlowState:
        return FlowState(screen, self.trail, self.answers, self.unasked)


class Option(Struct, frozen=True):
    value: str | None
    say: str


class ScreenContext(Struct, frozen=True):
    facts: Mapping[str, str]
    fields: Mapping[str, str]
    lists: Mapping[str, tuple[Option, ...]]  # "places", "place_groups", "places_in_group", "who_else", "languages"
    translate: Callable[[str], str]
    common: LayoutCache | None = None  # what is laid out once for everybody


@dataclass(frozen=True, slots=True)
class Condition:
    """Any of these, each a set of names with the values they may have; none at all holds always."""

    any_of: tuple[tuple[tuple[str, frozenset[str | None]], ...], ...] = ()

    def holds(self, values: Mapping[str, str | None], facts: Mapping[str, str]) -> bool:
        for all_of in self.any_of:
            for name, allowed in all_of:
                if (facts[name] if name in facts else values.get(name)) not in allowed:
                    break
            else:
                return True
        return not self.any_of


ALWAYS = Condition()


@dataclass(frozen=True, slots=True)
class Variant:
    when: Condition
    says: tuple[str, ...]  # from the longest to the shortest: the first that lets the screen fit on one page
    at: tuple[int, int] = field(default=(0, 0), compare=False)  # line and column in its file


@dataclass(frozen=True, slots=True)
class ScreenText:
    variants: tuple[Variant, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether it says the same to everybody: no condition, no field."""
        one = self.variants[0] if len(self.variants) == 1 else None
        return bool(one and one.when is ALWAYS and "{" not in "".join(one.says))

    def says(self, values: Mapping[str, str | None], facts: Mapping[str, str]) -> tuple[str, ...]:
        for one in self.variants:
            if one.when is ALWAYS or one.when.holds(values, facts):
                return one.says
        return ("",)


@dataclass(frozen=True, slots=True)
class GoTo:
    when: Condition
    to: str
    if_there: bool = False  # a flow that may not be installed


@dataclass(frozen=True, slots=True)
class Choice:
    key: str
    say: ScreenText
    value: str | None = None
    also: tuple[str, ...] = ()  # other words for it, folded
    when: Condition = ALWAYS
    do: str | None = None  # an effect; `outcomes` says where each of its outcomes leads
    go: tuple[GoTo, ...] = ()
    outcomes: Mapping[str, tuple[GoTo, ...]] = field(default_factory=dict)
    at: tuple[int, int] = field(default=(0, 0), compare=False)  # line and column in its file


@dataclass(frozen=True, slots=True)
class TypedInput:
    skip: str | None = None
    limit: int | None = None  # characters; a longer reply is a wrong one
    secret: bool = False  # forgotten when Back passes it or the walk leaves its flow


@dataclass(frozen=True, slots=True)
class Screen:
    id: str
    line: int
    column: int
    question: str | None = None
    when: Condition = ALWAYS
    words: ScreenText = ScreenText()
    choices: tuple[Choice, ...] = ()
    lists: tuple[str, ...] = ()  # choices from data: the first of these that is not empty; then `choices` end each page
    typed: TypedInput | None = None
    zero: Choice | None = None  # what `0` does where it is not Back
    leave: ScreenText = ScreenText()  # what the `00` line says where it is not "Leave"
    beside: ScreenText = ScreenText()  # a line above its words, on every page of it
    foot: ScreenText = ScreenText()
    do: str | None = None  # of a typed answer
    go: tuple[GoTo, ...] = ()
    otherwise: tuple[GoTo, ...] = ()  # where `when` fails; else `go`
    outcomes: Mapping[str, tuple[GoTo, ...]] = field(default_factory=dict)
    end: bool = False
    start: bool = False  # a conversation may begin here: `0` leaves
    called: bool = False  # shown by the program, not by a go
    again: str | None = None  # shown once: what Back shows in its place

    @property
    def flow(self) -> str:
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class NameReference:
    """A name that a flow uses, with its place in the file, to be checked when all flows are known."""

    kind: str  # "screen", "name" (of a question or fact), "value" (name=value)
    name: str
    screen: str
    line: int
    column: int
    if_there: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Who gives the advice: `grade` docs = the organisation's own page, second-hand = reported by others."""

    by: str
    grade: str
    at: str


@dataclass(frozen=True, slots=True)
class Topic:
    """One tip, on one or two screens; `inferred` names what no source says."""

    id: str
    screens: tuple[str, ...]
    sources: tuple[str, ...]
    checked: str  # ISO 8601
    inferred: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    name: str
    version: int
    file: str
    screens: Mapping[str, Screen]
    uses: tuple[NameReference, ...] = ()
    topics: tuple[Topic, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlowBook:
    flows: Mapping[str, Flow]
    screens: Mapping[str, Screen]

    def screen(self, name: str) -> Screen:
        return self.screens[name]

    def version(self, flow: str) -> int:
        return self.flows[flow].version


class OfferedChoice(Struct, frozen=True):
    """A choice that holds now. `say` are its labels from the longest to the shortest, filled; none: it is not shown."""

    key: str
    say: tuple[str, ...]
    choice: Choice


class ScreenLayout(Struct, frozen=True):
    """A screen laid out: what it offers, and its pages."""

    screen: Screen
    offers: tuple[OfferedChoice, ...]
    pages: tuple[ScreenPage, ...]


class LayoutCache(Struct, frozen=True):
    """The screens that are the same for everybody in a country, in a language, on a channel: each is laid out once.

    That is done in a `world` that knows nobody and with no answers, so nothing of anybody can be in what is kept.
    """

    screens: frozenset[str]
    world: ScreenContext
    laid: dict[tuple[str, ScreenLimit], ScreenLayout] = struct_field(default_factory=dict)
