"""A phone without a network: it walks through the flows by labels of choices."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

import flows
from flows.engine import EngineStep, apply_outcome, initial_state, pack, render, render_notice, step, unpack
from flows.loader import load
from flows.model import FlowBook, FlowState, Option, ScreenContext
from flows.pagination import ScreenLimit

NOON = 1_795_000_000
LIMITS = {"ussd": ScreenLimit(160, 70, 4), "sms": ScreenLimit(160, 70, 0), "voice": ScreenLimit(160, 160, 0)}
FIELDS = {
    "emergency": "police 111",
    "law_specific": "Sexual pictures of children are against the law here.",
    "law_computer": "The law is about phones too.",
    "law_possession": "By 2014 it was against the law to keep them.",
    "helpline": "helpline 163",
    "now": "helpline 163",
    "helpline_name": "Pikinini Helpline",
    "helpline_number": "163",
    "helpline_named": "Pikinini Helpline 163",
    "helpline_free": "Pikinini Helpline 163, free",
    "helpline_line": "Pikinini Helpline 163, free, day and night",
    "incomplete_name": "Pikinini Helpline",
    "send_to_1": "Pikinini Helpline",
    "send_to_2": "Vanuatu Police",
    "code": "4821 9303",
    "pin": "7350",
    "ussd": "*111*163#",
    "language_word": "Language / Lanwis",
    "meant": "Safety tips",
    "desk": "Pikinini Helpline",
    "opens": "30/11 08:00",
    "service_name": "Health centre",
    "service_phone": "000 0002",
    "service_hours": "mon-fri 08:00-16:30",
    "service_checked": "2026-11-01",
    "messages": "2",
    "message": "We have read it. You did well to tell. Can you say when you are at school?",
}
FACTS = {
    "channel": "ussd",
    "contactable": "yes",
    "has_helpline": "yes",
    "rescue": "yes",
    "duty": "may",
    "send_to": "one",
    "report_code": "new",
    "police_named": "no",
    "words_before_send": "no",
    "law": "known",
    "help_near": "yes",
    "services": "some",
    "languages": "several",
}
PLACES = tuple(
    Option(code, name)
    for code, name in (
        ("VU-MAP", "Malampa"),
        ("VU-PAM", "Penama"),
        ("VU-SAM", "Sanma"),
        ("VU-SEE", "Shefa"),
        ("VU-TAE", "Tafea"),
        ("VU-TOB", "Torba"),
    )
)
SERVICES = (Option("clinic", "Health centre"), Option("welfare", "Child welfare"))
CHAIN = (("vu-pikinini", "Pikinini Helpline"), ("vu-women", "Women's Centre"), ("vu-police", "Vanuatu Police"))
OUTCOMES = {"send": "sent", "delete": "deleted", "new_code": "made", "open": "open", "done": "stored"}
OUTCOMES |= {"write": "written", "contact": "noted", "erase": "erased", "helped": "counted", "call_me": "placed"}
OUTCOMES |= {"add_later": "added"}


@functools.cache
def book() -> FlowBook:
    return load(pathlib.Path(flows.__file__).parent)


def world(
    facts: Mapping[str, str | None] | None = None,
    fields: Mapping[str, str | None] | None = None,
    lists: Mapping[str, tuple[Option, ...]] | None = None,
    translate: Callable[[str], str] = str,
) -> ScreenContext:
    """Return the context of Vanuatu with changes; None removes a value."""
    return ScreenContext(
        {name: value for name, value in {**FACTS, **(facts or {})}.items() if value is not None},
        {name: value for name, value in {**FIELDS, **(fields or {})}.items() if value is not None},
        {
            "places": PLACES,
            "who_else": tuple(Option(*one) for one in CHAIN),
            "help_services": SERVICES,
            **(lists or {}),
        },
        translate,
    )


def routed(state: FlowState, base: ScreenContext) -> ScreenContext:
    """Return the context as the gateway makes it: without hotlines left out; the police also get missing children."""
    left = [Option(*one) for one in CHAIN if one[0] not in state.many("avoid")]
    two = state.values.get("category") == "missing" and len(left) > 1 and left[-1].value == "vu-police"
    facts = {
        **base.facts,
        "send_to": "two" if two else "one" if left else "nobody",
        "police_named": "yes" if two else "no",
    }
    fields = {**base.fields, **({"send_to_1": left[0].say} if left else {})}
    return replace(base, facts=facts, fields=fields, lists={**base.lists, "who_else": tuple(left)})


@dataclass
class Phone:
    """A phone. Every turn stores and loads the state, as between two webhooks."""

    world: ScreenContext = field(default_factory=world)
    at: str = "home.home"
    outcomes: dict[str, str] = field(default_factory=lambda: dict(OUTCOMES))
    flows: FlowBook = field(default_factory=book)
    now: int = NOON

    def __post_init__(self) -> None:
        self.state = initial_state(self.flows, self.at)
        self.last: EngineStep | None = None
        self.effects: list[str] = []
        self.over = False
        self.text = self._shown()

    @property
    def limit(self) -> ScreenLimit:
        return LIMITS[self.world.facts["channel"]]

    def context_for(self, state: FlowState) -> ScreenContext:
        return routed(state, self.world)

    def types(self, *replies: str) -> str:
        for reply in replies:
            self._step(reply)
        return self.text

    def chooses(self, *labels: str) -> str:
        """Type the number before each label, on this page or a later one."""
        for label in labels:
            self.types(self._key_of(label))
        return self.text

    def _key_of(self, label: str) -> str:
        while True:
            keys = {say: key for key, _, say in (line.partition(" ") for line in self.text.split("\n"))}
            if label in keys:
                return keys[label]
            assert "More" in keys, f"{label!r} is not on\n{self.text}"
            self.types(keys["More"])

    def _step(self, reply: str) -> None:
        self.now += 1
        took = step(self.flows, self.state, reply, self.context_for, limit=self.limit, now=self.now)
        state = took.state
        if took.effect:
            self.effects.append(took.effect)
            state = apply_outcome(self.flows, state, self.outcomes[took.effect], self.context_for)
        self.last = took
        self.over = took.has_left
        self.state = unpack(pack(state), self.flows)
        assert self.state == state
        self.text = (
            render_notice(self.flows, "home.goodbye", self.world, self.limit).text if took.has_left else self._shown()
        )

    def _shown(self) -> str:
        sorry = bool(self.last and self.last.is_invalid)
        shown = render(self.flows, self.state, self.context_for(self.state), self.limit, sorry=sorry)
        self.over = self.over or not shown.expects_reply
        return shown.text
