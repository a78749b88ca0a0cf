"""The context of one request, and what a screen may show by country and channel.

Numbers, names, places, and the hotlines that would get the report now.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import takewhile
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from flows.catalogues import ENGLISH_CATALOGUE, Catalogue, language_options
from flows.dependencies import ScreenInputs
from flows.model import FlowState, LayoutCache, Option, ScreenContext
from flows.pagination import ScreenLimit
from gateway.messaging.model import Inbound
from gateway.phone_numbers import SenderIdentity
from gateway.sessions.record import Record
from gateway.submission.builder import ReportInput
from reports.countries.country import Country
from reports.countries.law import is_law_known
from reports.countries.referral import service_placeholders
from reports.delivery import IMMEDIATE_ROLES
from reports.facts import Completeness, GivenAnswer, derive_facts
from reports.narrative import UnaskedText
from reports.routing import Recipient, avoided_hotlines, find_route, incomplete_hotline
from runtime.telephony import CALL_KINDS, ChannelKind

# Names of the facts, fields and lists that follow from the report's route.
ROUTED = frozenset({"send_to", "police_named", "send_to_1", "send_to_2", "who_else"})
MESSAGE_SCREENS = ("my.message", "my.next")


class UnroutedFact(str):
    """A placeholder for a fact that was not computed for a screen. A condition that reads it raises LookupError."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise LookupError("the recipients were not computed for this screen; check its entry in route_screens")


NOT_ROUTED = {"send_to": UnroutedFact(), "police_named": UnroutedFact()}


@dataclass(frozen=True, slots=True)
class CountryContext:
    """Screen data of one country and language, the same for all reporters. It is computed once."""

    country: Country
    facts: Mapping[str, str]
    fields: Mapping[str, str]
    lists: Mapping[str, tuple[Option, ...]]
    inside: Mapping[str, tuple[Option, ...]]  # group → its places, for groups with more than one
    language: Catalogue = ENGLISH_CATALOGUE
    english: Mapping[str, str] = dataclass_field(default_factory=dict)  # the fields that are different in English

    @classmethod
    def of(
        cls, country: Country, language: Catalogue = ENGLISH_CATALOGUE, languages: Sequence[Catalogue] = ()
    ) -> CountryContext:
        """Build the context of a country in one language. `languages`: all that the country offers."""
        fields = country.fields(language.translate)
        facts = {
            "helpline_texts": _yes(bool(fields["helpline_sms"])),
            "languages": "several" if len(languages) > 1 else "one",
            "has_helpline": _yes(country.helpline() is not None),
            "rescue": _incomplete_recipient(country),
            "help_near": _yes(bool(country.phone_services(None))),
            "call_key": _yes(country.call_back.home_key and bool(incomplete_hotline(country))),
            "law": "known" if is_law_known(country.law) else "unknown",
            "duty": "may" if country.may_have_duty_to_report else "no",
        }
        places_by_group = {group: _places(country, group) for group in country.groups()}
        multi_place_groups = {group: places for group, places in places_by_group.items() if len(places) > 1}
        lists = {**_before_send(country), "languages": language_options(languages)}
        english = {name: words for name, words in country.fields().items() if words != fields[name]}
        return cls(country, facts, fields, lists, multi_place_groups, language, english)


def new_layout_cache(
    country_context: CountryContext, kind: ChannelKind, *, drill: bool, inputs_by_screen: Mapping[str, ScreenInputs]
) -> LayoutCache:
    """Return the layout cache for the screens that depend on nothing but a country and answers, still empty.

    `inputs_by_screen`: the inputs of each screen, by its id.
    """
    facts = {**country_context.facts, "channel": kind, "drill": _yes(drill)}
    screen_context = ScreenContext(
        facts,
        country_context.fields,
        country_context.lists,
        country_context.language.translate,
        english=country_context.english,
        keywords=country_context.language.keywords,
    )
    questions = {name: inputs.questions_beside(screen_context) for name, inputs in inputs_by_screen.items()}
    screens = {name: tuple(read.items()) for name, read in questions.items() if read is not None}
    return LayoutCache(screens, screen_context)


class RenderContext(Struct, frozen=True):
    """The data that one reporter's screens may show.

    Call it with a state to get the `ScreenContext` of that state; the same object again until another answer is given.
    """

    country_contexts: Mapping[str, CountryContext]  # language → its context; a call begins in the first
    kind: ChannelKind
    contactable: bool  # the provider gave a number that can be called
    reachable_hotlines: Collection[str]  # hotlines whose delivery is set up
    drill: bool = False
    words_before_send: bool = False  # on USSD only if the service code in the country file allows it
    recordings: bool = False  # the country file lets callers speak their words, and the channel can record
    session_fields: Mapping[str, str] = field(default_factory=dict)  # such as code and PIN
    session_facts: Mapping[str, str] = field(default_factory=dict)  # such as the state of a report
    staff_messages: tuple[str, ...] = ()  # messages from staff, newest first; shown one at a time
    counted_messages: int = 0  # how many the reporter was last shown that there are
    route_screens: Collection[str] | None = None  # the screens that depend on the report's route; None: all may
    layout_caches: Mapping[str, LayoutCache] = field(default_factory=dict)  # language → its cache
    # Private: the last screen context returned.
    cached: list[tuple[FlowState, ScreenContext, bool]] = field(default_factory=list)

    def with_values(self, **more: Any) -> RenderContext:
        """Return a copy with other values. A plain `replace` would keep the cache in `cached`."""
        return replace(self, **more, cached=[])

    def __call__(self, state: FlowState) -> ScreenContext:
        """Return the screen context of a state: what its screen may show."""
        routed = self.route_screens is None or state.screen in self.route_screens
        if self.cached:
            cached_state, screen_context, was_routed = self.cached[-1]
            if cached_state.trail is state.trail and cached_state.answers is state.answers and was_routed >= routed:
                return screen_context
        screen_context = self._screen_context(state, routed=routed)
        self.cached[:] = [(state, screen_context, routed)]
        return screen_context

    def _screen_context(self, state: FlowState, *, routed: bool) -> ScreenContext:
        """Return a new context; the same one for all reporters whose session adds nothing to it."""
        values = state.values
        country_context = self._context_of(values)
        cache = self.layout_caches.get(country_context.language.tag)
        if cache is None or routed or self.session_facts or self.session_fields or "help_place" in values:
            return self._new_context(state, country_context, routed=routed)
        place = values.get("place") or ""
        key = (
            self.contactable,
            self.words_before_send,
            self.recordings,
            place if place in country_context.inside else "",
        )
        shared_context = cache.contexts.get(key)
        if shared_context is None:
            shared_context = cache.contexts[key] = self._new_context(state, country_context, routed=False)
        return shared_context

    def _new_context(self, state: FlowState, country_context: CountryContext, *, routed: bool) -> ScreenContext:
        values = state.values
        facts = {
            **country_context.facts,
            "channel": self.kind,
            "contactable": _yes(self.contactable),
            "words_before_send": _yes(self.words_before_send),
            "recordings": _yes(self.recordings),
            "drill": _yes(self.drill),
            **self.session_facts,
        }
        fields = {**country_context.fields, **self.session_fields}
        if "report_state" in self.session_facts:
            facts |= self._message_facts(state, fields)
        lists = {**country_context.lists, "places_in_group": country_context.inside.get(values.get("place") or "", ())}
        if "help_place" in values:
            _add_services(country_context.country, values, facts, fields, lists)
        if not routed:
            facts |= NOT_ROUTED
        elif values.get("category") is not None:
            recipients = self._find_recipients(country_context.country, state)
            hotlines = country_context.country.hotlines
            immediate_hotlines = [
                hotlines[recipient.hotline] for recipient in recipients if recipient.role in IMMEDIATE_ROLES
            ]
            facts["send_to"] = _send_to(recipients, len(immediate_hotlines), state)
            facts["police_named"] = _yes(any(hotline.kind == "police" for hotline in immediate_hotlines))
            fields |= {f"send_to_{n}": hotline.screen_name for n, hotline in enumerate(immediate_hotlines[:2], 1)}
            lists["who_else"] = tuple(
                Option(recipient.hotline, hotlines[recipient.hotline].screen_name) for recipient in recipients
            )
        return ScreenContext(
            facts,
            fields,
            lists,
            country_context.language.translate,
            self.layout_caches.get(country_context.language.tag),
            country_context.english,
            country_context.language.keywords,
        )

    def _message_facts(self, state: FlowState, fields: dict[str, str]) -> dict[str, str]:
        """Return the facts about messages from staff, and add the message to show to `fields`.

        The message screens at the end of the trail show how many messages were read. A message that came meanwhile is
        shown after the others, so that *Next* neither repeats nor skips one.
        """
        message_screens = takewhile(lambda name: name in MESSAGE_SCREENS, (name for name, _ in reversed(state.trail)))
        read_count, message_count = sum(1 for _ in message_screens), len(self.staff_messages)
        new_count = max(message_count - self.counted_messages, 0)
        in_order = (*self.staff_messages[new_count:], *reversed(self.staff_messages[:new_count]))
        fields |= {
            "messages": str(message_count),
            "message": in_order[min(read_count, message_count - 1)] if message_count else "",
        }
        return {"messages": "some" if message_count else "none", "another": _yes(read_count + 1 < message_count)}

    def country_context(self, state: FlowState) -> CountryContext:
        """Return the country context in the language chosen in this call, else in the first."""
        return self._context_of(state.values)

    def _context_of(self, values: Mapping[str, str | None]) -> CountryContext:
        return self.country_contexts.get(values.get("language") or "") or next(iter(self.country_contexts.values()))

    def recipients(self, state: FlowState, completeness: Completeness = Completeness.COMPLETE) -> tuple[Recipient, ...]:
        """Return the recipients of this report, in order, for the answers given so far."""
        return self._find_recipients(self.country_context(state).country, state, completeness)

    def _find_recipients(
        self, country: Country, state: FlowState, completeness: Completeness = Completeness.COMPLETE
    ) -> tuple[Recipient, ...]:
        facts = derive_facts(report_answers(state))
        avoid: Collection[str] = avoided_hotlines(country, facts)
        if completeness == Completeness.INCOMPLETE:
            # No screen names the recipient, so a hotline that was left out at any time stays out.
            avoid = {answer.value for answer in state.answers if answer.question == "avoid" and answer.value}
        return find_route(
            country, facts, live=self.reachable_hotlines, avoid=avoid, completeness=completeness
        ).recipients


def _add_services(
    country: Country,
    values: Mapping[str, str | None],
    facts: dict[str, str],
    fields: dict[str, str],
    lists: dict[str, tuple[Option, ...]],
) -> None:
    """Add the services of the chosen place, and the chosen one of them."""
    services = country.phone_services(values["help_place"])
    facts["services"] = "some" if services else "none"
    lists["help_services"] = tuple(Option(service.id, service.screen_name) for service in services)
    for service in services:
        if service.id == values.get("help_service"):
            fields |= service_placeholders(service)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _incomplete_recipient(country: Country) -> str:
    """Return the fact `rescue`: who gets an incomplete report.

    "yes": the child helpline; "other": another hotline that the country file names; "no": nobody.
    """
    if not country.incomplete_to:
        return "no"
    helpline = country.helpline()
    return "yes" if helpline is not None and helpline.id == country.incomplete_to else "other"


def _send_to(recipients: tuple[Recipient, ...], immediate_count: int, state: FlowState) -> str:
    if not recipients:
        return "nobody" if state.many("avoid") else "staff"
    return "one" if immediate_count == 1 else "two"


def _before_send(country: Country) -> dict[str, tuple[Option, ...]]:
    """Return the lists for the question about the place before Send: of groups or of places, by the country file.

    Both are empty if it is not asked before Send. The places of a group are asked for after Send.
    """
    groups = country.groups() if country.place_before_send == "group" else ()
    places = _places(country) if country.place_before_send != "none" and not groups else ()
    return {"places": places, "place_groups": tuple(Option(group, group) for group in groups)}


def _places(country: Country, group: str | None = None) -> tuple[Option, ...]:
    return tuple(Option(place.code, place.label) for place in country.places if group in (None, place.group))


def report_answers(state: FlowState) -> tuple[GivenAnswer, ...]:
    """Return the answers that belong in the report, each with whether it is in force."""
    in_force = state.in_force
    return tuple(
        GivenAnswer(answer.screen, answer.question, answer.value, answer.typed, answer.at, index in in_force)
        for index, answer in enumerate(state.answers)
        if answer.screen.partition(".")[0] in ("report", "more")
    )


# One request's context: sender, country, channel and time; and the input of a report from its session.


class TurnRequest(Struct, frozen=True):
    """One inbound message with its sender, its country and the limits of its channel."""

    inbound: Inbound
    sender: SenderIdentity
    country: Country
    render_context: RenderContext
    limit: ScreenLimit
    is_simulator: bool  # True for the simulator, never for a real phone
    now: int  # Unix seconds
    written_at: int = 0  # Unix seconds: when it came, or by its provider's time if that is long ago
    late: bool = False  # the message was queued; the current screen may be one that its sender has not seen
    is_answered: bool = True  # False: no reply is sent, so words that cannot be stored raise NotSent
    after_alert: bool = False  # perhaps an automatic reply to an alert: its words are delivered only with Send
    chosen_language: str = ""  # tag of the language chosen so far, for an SMS session that begins anew
    continues_words: bool = False  # the message continues the words just sent, and need not be an answer
    wrong_pairs: int = 0  # wrong pairs of code and PIN from this number today
    is_overloaded: bool = False  # the process is overloaded: optional screens are refused

    @property
    def is_call(self) -> bool:
        """Return whether it belongs to a call, which ends, and not to texts, which stay on the phone."""
        return self.inbound.kind in CALL_KINDS

    @property
    def own_code(self) -> str:
        """Return the service code of this country, for a provider that does not name the dialled one; "" if none."""
        return next((code.code for code in self.country.codes if code.channel == self.inbound.kind), "")


def report_input(request: TurnRequest, record: Record, flow_version: int) -> ReportInput:
    """Return the input from which the report of this session is built."""
    return ReportInput(
        given=report_answers(record.state),
        unasked=tuple(UnaskedText(unasked.at, unasked.screen, unasked.text) for unasked in record.state.unasked),
        words=record.words,
        country=request.country,
        kind=request.inbound.kind,
        channel="simulator" if request.is_simulator else request.inbound.kind,
        language=request.render_context.country_context(record.state).language.tag,
        flow_version=flow_version,
        msisdn=request.sender.e164 if request.sender.valid else None,
        repeat_of=record.repeat_of,
        now=request.now,
        media=record.media,
        earlier=record.earlier,
    )
