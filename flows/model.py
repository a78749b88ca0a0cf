"""The data of flows: screens, the state of a session, and the facts and fields that texts may use.

It is pure data. The engine leads from screen to screen; the renderer lays them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from msgspec import Struct
from msgspec import field as struct_field

from flows.pagination import PLACEHOLDER, ScreenLimit, ScreenPage
from runtime.telephony import CHANNEL_KINDS

# The names that flow files may use beside their own questions. Pure data.
#
# Facts (`ScreenContext.facts`) can be compared in `when:` like answers; FACTS lists their values. A missing fact is
# null. Fields (`ScreenContext.fields`) replace the {placeholders}, and are already in the language of the screen:
#
#     emergency         "police 111": the service and its number
#     emergency_sms     "police 112": whom to text, if an emergency number or a hotline accepts SMS
#     helpline_sms      "8020": the same, if it is the child helpline
#     helpline_name     "Pikinini Helpline": as on screens, 18 septets at most; like the next, where has_helpline = yes
#     helpline_number   "163"
#     helpline          "helpline 163"; without a helpline the text of `emergency`, as for helpline_named
#     helpline_named    "Pikinini Helpline 163"
#     now               "helpline 163" if it answers day and night, else the text of `emergency`
#     helpline_free     "Pikinini Helpline 163, free": ", free" only if that is established
#     helpline_line     "Pikinini Helpline 163, free, day and night": as far as established
#     incomplete_name   the recipient of incomplete reports: the child helpline, else the one that the country names
#     send_to_1, send_to_2   the recipients of a report at once, as the Send screen names them
#     code, pin         "4821 9303", "7350": on the screens that show them once
#     ussd              "*111*163#": if the country has one
#     language_word     "Language / Lanwis": the word in English and in the country's other main language
#     desk              the hotline with the most advanced handling of the report
#     messages, message "2", "We read it. …": how many messages staff wrote, and the one that is shown
#     meant             "Report": what a text with a typing error may have meant
#     service_name, service_phone, service_hours, service_checked   of the service that was chosen in Help near me;
#                       checked: the date on which somebody in the country last dialled the number
#     law_specific      "Sexual pictures of children are against the law here.": what is known about the criterion, in
#                       a sentence; also law_computer and law_possession

YES_NO = frozenset({"yes", "no"})
FACTS: Mapping[str, frozenset[str]] = {
    "channel": frozenset(CHANNEL_KINDS),
    "contactable": YES_NO,  # the provider gives a number that is valid
    "has_helpline": YES_NO,
    "helpline_texts": YES_NO,  # the child helpline accepts SMS, and no emergency number does
    # The recipient of incomplete reports: the helpline, another hotline, none.
    "rescue": frozenset({"yes", "other", "no"}),
    "duty": frozenset({"may", "no"}),  # no: the country has no duty to report, according to a source
    "send_to": frozenset({"one", "two", "staff", "nobody"}),  # nobody: the reporter left out all possible recipients
    "police_named": YES_NO,  # the police are named on the Send screen
    "words_before_send": YES_NO,  # USSD only; by SMS the text always comes before Send
    "recordings": YES_NO,  # voice only: the country file lets callers speak their words, and the provider records
    "report_state": frozenset(
        {"needs_person", "closed", "in_progress", "accepted", "overdue", "opens", "delivered", "queued"}
    ),
    "messages": frozenset({"some", "none"}),  # whether staff wrote messages
    "another": YES_NO,  # whether there is an older message than the one shown
    "report_code": frozenset({"new", "over"}),  # over: shown before, or cannot be asked for any more
    "drill": YES_NO,
    "call_key": YES_NO,  # the country file offers "Call me" on the home screen
    "languages": frozenset({"one", "several"}),  # how many languages may be offered here
    "help_near": YES_NO,  # the country file has services that this mode may show on a phone
    "services": frozenset({"some", "none"}),  # whether one of them serves the place that was chosen
    "law": frozenset({"known", "unknown"}),  # known: something about the law is established
}
REQUIRED_FIELDS = frozenset({"emergency", "send_to_1", "send_to_2"})
OPTIONAL_FIELDS = frozenset(  # a line with an absent field is left out
    {"helpline_name", "helpline_number", "helpline_named", "helpline_free", "helpline_line", "emergency_sms"}
    | {"helpline", "helpline_sms", "now", "incomplete_name", "ussd", "language_word", "desk", "code", "pin", "meant"}
    | {"messages", "message", "opens"}
    | {"law_specific", "law_computer", "law_possession"}
    | {"service_name", "service_phone", "service_hours", "service_checked"}
)
FIELDS = REQUIRED_FIELDS | OPTIONAL_FIELDS


class Answer(Struct, frozen=True):
    """An answer to a screen's question. `at`: Unix time in seconds, UTC.

    `value`: the choice's code, the text as typed, or None if the question was skipped.
    """

    screen: str
    question: str
    value: str | None
    typed: bool
    at: int


class UnpromptedText(Struct, frozen=True):
    """Text that was sent where a choice was asked. `at`: Unix time in seconds."""

    at: int
    screen: str
    text: str


class FlowState(Struct, frozen=True, dict=True):
    """The state of a session in the flows.

    `trail`: each visited screen with the index of the answer given there, -1 if none; Back removes the last. `answers`:
    all answers ever given; those on the trail are in force. `wrong`: wrong replies in a row; at 3 a notice with the
    emergency numbers covers the screen.
    """

    screen: str
    trail: tuple[tuple[str, int], ...] = ()
    answers: tuple[Answer, ...] = ()
    unasked: tuple[UnpromptedText, ...] = ()
    page: int = 0
    wrong: int = 0

    @cached_property
    def values(self) -> Mapping[str, str | None]:
        """Return the answers in force by question; if a question was answered twice on the trail, the last answer."""
        all_answers = self.answers
        return {all_answers[index].question: all_answers[index].value for _, index in self.trail if index >= 0}

    def many(self, question: str) -> tuple[str, ...]:
        """Return all values in force of a question that may be answered more than once, in order."""
        relevant = (self.answers[index] for _, index in self.trail if index >= 0)
        return tuple(answer.value for answer in relevant if answer.question == question and answer.value is not None)

    @property
    def in_force(self) -> frozenset[int]:
        """Return the indices in `answers` of the answers in force."""
        return frozenset(index for _, index in self.trail if index >= 0)

    def at(self, screen: str) -> FlowState:
        """Return the state at another screen: page 0, no wrong replies."""
        return FlowState(screen, self.trail, self.answers, self.unasked)


class Option(Struct, frozen=True):
    """A choice that comes from data, such as a place or a language."""

    value: str | None
    say: str


class ScreenContext(Struct, frozen=True):
    """The facts, fields and lists of one session, and the function that translates texts.

    `english`: the fields that are different in English, for a text that has no translation: a sentence is in one
    language. `common`: the cache of screens that are the same for everybody. `keywords`: typed words of the language,
    folded, with the English word that each stands for.
    """

    facts: Mapping[str, str]
    fields: Mapping[str, str]
    # "places", "place_groups", "places_in_group", "who_else", "help_services", …
    lists: Mapping[str, tuple[Option, ...]]
    translate: Callable[[str], str]
    common: LayoutCache | None = None
    english: Mapping[str, str] = {}
    keywords: Mapping[str, str] = {}


ValueSets = tuple[frozenset[str | None], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on answers and facts: it holds if any of the alternatives holds.

    An alternative is a set of names, each with the values it may have. Without alternatives the condition always holds.
    """

    any_of: tuple[tuple[tuple[str, frozenset[str | None]], ...], ...] = ()

    def holds(self, values: Mapping[str, str | None], facts: Mapping[str, str]) -> bool:
        """Return whether the condition holds; a fact takes precedence over an answer of the same name."""
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
    """A text and the condition under which it is shown.

    `says`: from the longest to the shortest; the first that lets the screen fit on one page is used. `at`: line and
    column in the file.
    """

    when: Condition
    says: tuple[str, ...]
    at: tuple[int, int] = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class ScreenText:
    """A text of a screen, in variants; the first whose condition holds is shown."""

    variants: tuple[Variant, ...] = ()

    @property
    def is_field_alone(self) -> bool:
        """Return whether it is only a field, such as a message of staff, of which no sentence may be left out."""
        return any(PLACEHOLDER.fullmatch(say) for variant in self.variants for say in variant.says)

    def says(self, values: Mapping[str, str | None], facts: Mapping[str, str]) -> tuple[str, ...]:
        """Return the texts of the first variant that holds, from the longest to the shortest."""
        for variant in self.variants:
            if variant.when is ALWAYS or variant.when.holds(values, facts):
                return variant.says
        return ("",)


@dataclass(frozen=True, slots=True)
class GoTo:
    """The target of a reply, if the condition holds.

    `if_there`: the target flow may be missing; then its choice is not offered.
    """

    when: Condition
    to: str
    if_there: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of a screen.

    `also`: other words that select it, folded. `do`: an effect; `outcomes` says where each outcome of it leads.
    """

    key: str
    say: ScreenText
    value: str | None = None
    also: tuple[str, ...] = ()
    when: Condition = ALWAYS
    do: str | None = None
    go: tuple[GoTo, ...] = ()
    outcomes: Mapping[str, tuple[GoTo, ...]] = field(default_factory=dict)
    at: tuple[int, int] = field(default=(0, 0), compare=False)  # line and column in its file


@dataclass(frozen=True, slots=True)
class TypedInput:
    """The rules for typed text on a screen.

    `skip`: the reply that skips the question. `skip_line`: the line about it, instead of "1 = skip". `limit`:
    characters.
    """

    skip: str | None = None
    skip_line: ScreenText = ScreenText()
    limit: int | None = None  # a longer reply is wrong
    secret: bool = False  # deleted when Back passes it, or when the session leaves its flow
    removed_by_back: bool = False  # deleted when Back passes it, because nothing has it yet; it counts as skipped


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of a flow. `id`: flow and name, such as "report.danger"."""

    id: str
    line: int
    column: int
    question: str | None = None
    when: Condition = ALWAYS
    words: ScreenText = ScreenText()
    choices: tuple[Choice, ...] = ()
    lists: tuple[str, ...] = ()  # choices from data: the first list that is not empty; then `choices` end each page
    typed: TypedInput | None = None
    zero: Choice | None = None  # what `0` does instead of Back; it returns to a screen that was passed
    leave: ScreenText = ScreenText()  # the label of `00` instead of "Leave"
    beside: ScreenText = ScreenText()  # a line above the words, on each page
    foot: ScreenText = ScreenText()
    do: str | None = None  # the effect of a typed answer
    go: tuple[GoTo, ...] = ()
    otherwise: tuple[GoTo, ...] = ()  # where it leads if `when` does not hold; by default `go`
    outcomes: Mapping[str, tuple[GoTo, ...]] = field(default_factory=dict)
    end: bool = False
    start: bool = False  # a session may begin here, and `0` leaves
    called: bool = False  # shown by the program; no `go` leads to it
    again: str | None = None  # the screen is shown once; Back shows this one instead

    @property
    def flow(self) -> str:
        """Return the name of the screen's flow."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class NameReference:
    """A name used in a flow file and its position. It is checked when all flows are known."""

    kind: str  # "screen", "name" (of a question or fact), "value" (name=value)
    name: str
    screen: str
    line: int
    column: int
    if_there: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """The organisation whose advice a tip is taken from.

    `grade`: "docs" for the organisation's own page, "second-hand" for a report by others.
    """

    by: str
    grade: str
    at: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A tip on one or two screens. `inferred`: the part that no source says. `checked`: ISO 8601 date."""

    id: str
    screens: tuple[str, ...]
    sources: tuple[str, ...]
    checked: str
    inferred: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """A parsed flow file."""

    name: str
    version: int
    file: str
    screens: Mapping[str, Screen]
    uses: tuple[NameReference, ...] = ()
    topics: tuple[Topic, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlowBook:
    """All flows of an installation and their screens by id."""

    flows: Mapping[str, Flow]
    screens: Mapping[str, Screen]


class OfferedChoice(Struct, frozen=True):
    """A choice whose condition holds.

    `say`: its labels from the longest to the shortest, with the fields filled in; if empty, the choice is not shown.
    """

    key: str
    say: tuple[str, ...]
    choice: Choice


class ScreenLayout(Struct, frozen=True):
    """A screen with its offered choices, laid out in pages."""

    screen: Screen
    offers: tuple[OfferedChoice, ...]
    pages: tuple[ScreenPage, ...]


class LayoutCache(Struct, frozen=True):
    """Screens of a country, language and channel that look the same whenever the same conditions hold, laid out once.

    `screens`: the questions that each screen's conditions read, with the sets of values that they allow. `layouts`: by
    screen, size, and whether each answer is in each of these sets. The screens are laid out in a context without any
    personal data, so the cache cannot contain such data. `contexts`: the contexts that many reporters share.
    """

    screens: Mapping[str, tuple[tuple[str, ValueSets], ...]]
    context: ScreenContext
    layouts: dict[tuple[str, ScreenLimit, tuple[bool, ...]], ScreenLayout] = struct_field(default_factory=dict)
    contexts: dict[tuple[bool, bool, bool, str], ScreenContext] = struct_field(default_factory=dict)
