"""A report and its messages as staff read them: codes become the words that the reporter saw. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product, takewhile
from math import prod
from typing import Any

from console import bodies
from console.presenters.earlier_wordings import label_then, question_then
from flows.model import FlowBook, Screen, ScreenText
from flows.pagination import without_context
from reports import exports, staff_labels
from reports.countries.language_names import LANGUAGE_NAMES
from reports.delivery import IMMEDIATE_ROLES
from reports.triage import FLAG_LABELS, REASON_LABELS
from runtime.time_units import SECOND
from runtime.visible_text import safe_for_display

LATEST_TIME = 32_503_680_000 * SECOND  # the year 3000
OTHER, MAX_COMBINATIONS = "", 4096  # stands for values that no condition names; combinations that are tried
PLACEHOLDER = re.compile(r"\{[a-z0-9_]+\}")
SCHEME = re.compile(r"\b(https?|ftp)://", re.IGNORECASE)
NO_SCHEME = str.maketrans("tT", "xX")
CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
AVOIDED_HOTLINES = "The reporter left out {who}: do not pass it on to them."
NOT_SAID, SEE_WORDS, SKIPPED = "not said", "(see their own words)", "(skipped)"
ENTRY_FACTS = ("How it came", "Entered by", "Consent given by", "Agreed to storing", "Agreed to referral")
ENTRY_ANSWERS = {
    "call": "by telephone",
    "walk_in": "in person",
    "child": "the child",
    "carer": "a parent or carer",
    "reporter": "another person who reports",
    "yes": "yes",
    "no": "no",
    "not_asked": "not asked",
}
FACTS = ("Danger", "Place", "Child concerned", "Age", "Reporter", "Language", "Channel")
MORE = (
    "Pictures or files that nobody opened",
    "Links, written so that nothing opens them",
    *("Their own words", "Without being asked", "Added later"),
)
EXTRAS = {
    "asked_for": "What do they ask for?",
    "image_shared": "Do they have a photo of the child?",
    "image_who": "Who is in the photo?",
    "last_place": "Last seen",
    "meeting": "Is a meeting planned?",
    "missing_kind": "What happened",
    "payment_seen": "Money asked or paid",
    "platform": "Where did it happen?",
    "role": "Who tells it",
    "threat": "Do they make threats?",
    "told": "Who has been told?",
    "told_2": "Who else has been told?",
    "told_3": "Who else has been told?",
    "where_online": "Page or account",
}
FLAGS_SHOWN_ELSEWHERE = ("NO_CONTACT", "AVOID_USED")  # shown as restrictions and as the way to reach the reporter
ANSWERS = (NOT_SAID, SEE_WORDS, SKIPPED, *staff_labels.ALL)
SCREEN_LANGUAGES = ("en", "fr", "bi", "tpi", "pis", "fj", "sm", "to", "sw")  # languages of the phones' screens
SENTENCES = (
    AVOIDED_HOTLINES,
    *(LANGUAGE_NAMES[tag] for tag in SCREEN_LANGUAGES),
    *ANSWERS,
    *FACTS,
    *ENTRY_FACTS,
    *ENTRY_ANSWERS.values(),
    *MORE,
    *EXTRAS.values(),
)


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question with the reporter's answer. `fields`: of its placeholders. `at`: when it was answered, ISO 8601."""

    question: str
    fields: Mapping[str, str]
    answer: str
    at: str


@dataclass(frozen=True, slots=True)
class PresentedReport:
    """A report for its page.

    `earlier`: how many reports came from the same phone in the 24 hours before, without this one.
    `restrictions`: what must not be done with it, each with the fields of its placeholders. `facts`: (label, answer),
    the most needed first. `why`: reasons for the priority, as sentences. `words`: (label, time, text) of what the
    reporter typed, made inert. `asked`: all questions with their answers.
    """

    title: str
    priority: str
    flags: tuple[str, ...]
    restrictions: tuple[tuple[str, Mapping[str, str]], ...]
    facts: tuple[tuple[str, str], ...]
    why: tuple[str, ...]
    words: tuple[tuple[str, str, str], ...]
    asked: tuple[AnsweredQuestion, ...]
    earlier: int


class ChoiceLabels:
    """The label of each answer: the staff's own (`staff_labels`), or the first wording of the choice on the screen."""

    def __init__(self, book: FlowBook) -> None:
        self._screens = book.screens
        self._labels: dict[tuple[str, str], str] = {}
        for screen in book.screens.values():
            for choice in screen.choices:
                if screen.question and choice.value is not None:
                    self._labels.setdefault((screen.question, choice.value), _first_wording(choice.say))

    def of(self, question: str, value: str | None) -> str:
        """Return the staff's label of an answer; if there is none, that of the screen. Empty for None."""
        if value is None:
            return ""
        return staff_labels.ANSWERS.get(question, {}).get(value) or self.chosen(question, value)

    def chosen(self, question: str, value: str, version: int | None = None) -> str:
        """Return the label that the reporter chose on the screen, or the code with spaces if no choice has it.

        `version`: of the flow in which it was chosen; None for the one of today.
        """
        if earlier := label_then(question, value, version):
            return earlier
        return self._labels.get((question, value), value.replace("_", " "))

    def typed(self, question: str, value: str) -> str:
        """Return the label of an answer, or the answer as it is: it may be typed, and then keeps its underscores."""
        return self._labels.get((question, value), value)

    def values(self, question: str) -> tuple[str, ...]:
        """Return the values of all choices of a question."""
        return tuple(value for asked_question, value in self._labels if asked_question == question)

    def question(self, screen: str, otherwise: str, values: ScreenValues) -> str:
        """Return a question as the reporter saw it, if the report has enough data; else `otherwise` with spaces."""
        return fill_placeholders(self.question_message(screen, otherwise, values), values.fields)

    def question_message(self, screen: str, otherwise: str, values: ScreenValues) -> str:
        """Return a question as `question` does, with its placeholders, as the catalogues have it."""
        if earlier := question_then(screen, values.version):
            return earlier
        shown_screen = self._screens.get(screen)
        wording = _wording_shown(_question_text(shown_screen), values) if isinstance(shown_screen, Screen) else ""
        return wording or otherwise.replace("_", " ")


@dataclass(frozen=True, slots=True)
class ScreenValues:
    """The values in a report that the shown screens depended on.

    `values`: by question or fact; one that is missing may have had any value. `fields`: for the placeholders.
    `version`: of the flow that the reporter saw; None for the one of today.
    """

    values: Mapping[str, str | None]
    fields: Mapping[str, str]
    version: int | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> ScreenValues:
        """Read the values from the answers and the route of a complete report."""
        values: dict[str, str | None] = {"contact": None}  # not asked if no number is known
        for row in data["answers"]:
            if "ref" not in row:
                values[row["question"]] = row["value"]
        immediate = [recipient["name"] for recipient in data["routing"]["to"] if recipient["role"] in IMMEDIATE_ROLES]
        if immediate:
            values["send_to"] = "one" if len(immediate) == 1 else "two"
        version = data["flow"]["version"] or None if data["flow"]["id"] == "report" else None
        return cls(values, {f"send_to_{n}": name for n, name in enumerate(immediate[:2], 1)}, version)


def _question_text(screen: Screen) -> ScreenText:
    """Return the text of a screen that asks: above its input may be something else, such as "Sent"."""
    skip_line = screen.typed.skip_line if screen.typed else ScreenText()
    return skip_line if skip_line.variants else screen.words


def _wording_shown(text: ScreenText, screen_values: ScreenValues) -> str:
    """Return the whole sentences that all possible forms share, or the longest spelling if only one form is possible.

    A sentence that only some forms have is left out: the reporter may not have seen it.
    """
    possible = {
        tuple(words.split("\n")[-1].strip() for words in spellings)
        for spellings in _possible_wordings(text, screen_values)
    }
    forms = {words for spellings in possible for words in spellings}
    if len(forms) <= 1:
        return next(iter(forms), "")
    equal_letters = takewhile(lambda letters: len(set(letters)) == 1, zip(*forms, strict=False))
    shared_start = "".join(letters[0] for letters in equal_letters)
    if sentences := shared_start[: max(shared_start.rfind(mark) for mark in "?.!") + 1]:
        return sentences
    return next(iter(possible))[0] if len(possible) == 1 else ""


def _possible_wordings(text: ScreenText, screen_values: ScreenValues) -> Iterator[tuple[str, ...]]:
    """Yield the spellings of the screen, longest first, for each value that an unknown name may have had.

    Yields nothing if there are too many such values.
    """
    values_by_name: dict[str, set[str | None]] = {}
    for name, allowed in (
        condition for variant in text.variants for conditions in variant.when.any_of for condition in conditions
    ):
        if name not in screen_values.values:
            values_by_name.setdefault(name, {OTHER}).update(allowed)
    if prod(map(len, values_by_name.values())) > MAX_COMBINATIONS:
        return
    for values in product(*values_by_name.values()):
        yield tuple(text.says({**screen_values.values, **dict(zip(values_by_name, values, strict=True))}, {}))


def fill_placeholders(words: str, fields: Mapping[str, str]) -> str:
    """Replace each `{name}` by its field, or by `…` if it has none."""
    return PLACEHOLDER.sub(lambda match: fields.get(match[0][1:-1], "…"), words).strip()


def _first_wording(text: ScreenText) -> str:
    for variant in text.variants:
        for words in variant.says:
            return PLACEHOLDER.sub("…", without_context(words).split("\n")[-1]).strip()
    return ""


def present_report(report: Mapping[str, Any], labels: ChoiceLabels) -> PresentedReport:
    """Prepare a report for its page. `report`: a decrypted cop-report of this version or an earlier one."""
    data = bodies.complete_report(report)
    triage = data["triage"]
    return PresentedReport(
        title=inert_text(labels.of("category", data["category"])),
        priority=safe_for_display(triage["priority"]),
        flags=tuple(
            FLAG_LABELS.get(code, safe_for_display(code))
            for code in triage["flags"]
            if code not in FLAGS_SHOWN_ELSEWHERE
        ),
        restrictions=tuple(_restrictions(data)),
        facts=tuple((label, inert_text(answer)) for label, answer in _facts(data, labels) if answer),
        why=tuple(REASON_LABELS.get(code, safe_for_display(code)) for code in triage["reasons"]),
        words=tuple((label, at, inert_text(text)) for label, at, text in _typed_texts(data)),
        asked=tuple(_answered_questions(data, labels)),
        earlier=data["repeat_of"],
    )


def _restrictions(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    if data["routing"]["avoid"]:
        yield AVOIDED_HOTLINES, {"who": safe_for_display(", ".join(data["routing"]["avoid"]))}


def _facts(data: Mapping[str, Any], labels: ChoiceLabels) -> Iterator[tuple[str, str]]:
    yield "Danger", labels.of("danger", data["danger"])
    yield "Place", exports.place_text(data) or NOT_SAID
    yield "Child concerned", labels.of("about", data["about"]) or NOT_SAID
    age = data["child"]["age_band"]
    yield "Age", NOT_SAID if age == "unknown" else labels.of("age_band", age)
    yield "Reporter", staff_labels.REPORTERS.get(data["reporter_role"] or "", NOT_SAID)
    yield "Language", LANGUAGE_NAMES.get(data["language"], data["language"])
    yield "Channel", staff_labels.CHANNELS.get(data["channel"], data["channel"])
    yield from _entry_facts(data.get("entry"))
    for key, value in data["extras"].items():
        label = EXTRAS.get(key, labels.of("", key).capitalize())
        yield label, labels.typed(key, value) if isinstance(value, str) else str(value)
    count = data["attachments"]["count"]
    if count:
        yield "Pictures or files that nobody opened", str(count)
    if data["attachments"]["links"]:
        yield "Links, written so that nothing opens them", " ".join(data["attachments"]["links"])


def _entry_facts(entry: object) -> Iterator[tuple[str, str]]:
    """Yield how staff got a report that they entered, and the consent."""
    if not isinstance(entry, Mapping):
        return
    consent = entry.get("consent")
    consent = consent if isinstance(consent, Mapping) else {}
    values = [entry.get("how"), *(consent.get(name) for name in ("given_by", "storing", "referral"))]
    how, *agreed = (ENTRY_ANSWERS.get(str(value), NOT_SAID) for value in values)
    yield from zip(ENTRY_FACTS, (how, str(entry.get("entered_by") or NOT_SAID), *agreed), strict=True)


def _typed_texts(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if data["narrative"] is not None:
        yield "Their own words", "", data["narrative"]
    for entry in data["unasked"]:
        yield "Without being asked", entry["at"], entry["text"]
    for entry in data["additions"]:
        yield "Added later", entry["at"], entry["text"]


def _answered_questions(data: Mapping[str, Any], labels: ChoiceLabels) -> Iterator[AnsweredQuestion]:
    screen_values = ScreenValues.of(data)
    fields = {name: inert_text(value) for name, value in screen_values.fields.items()}
    for row in data["answers"]:
        question = inert_text(labels.question_message(row["screen"], row["question"], screen_values))
        if "ref" in row:
            yield AnsweredQuestion(question, fields, SEE_WORDS, row["at"])
        else:
            answer = (
                SKIPPED if row["value"] is None else labels.chosen(row["question"], row["value"], screen_values.version)
            )
            if row["question"] == "place" and row["value"] == data["place"].get("code"):
                answer = data["place"]["name"] or answer
            yield AnsweredQuestion(question, fields, inert_text(answer), row["at"])


def inert_text(text: str) -> str:
    """Make typed text safe to show: it contains no link, nothing that moves other text, and no card number."""
    return SCHEME.sub(lambda match: f"{match[1].translate(NO_SCHEME)}://", mask_card_numbers(safe_for_display(text)))


def mask_card_numbers(text: str) -> str:
    """Mask digits that look like a payment card: staff do not need them (S-16). The sealed report keeps them."""
    return CARD.sub(lambda match: _mask(match[0]), text)


def _mask(number: str) -> str:
    digits = [int(char) for char in number if char.isdigit()]
    doubled = [digit if n % 2 == 0 else sum(divmod(2 * digit, 10)) for n, digit in enumerate(reversed(digits))]
    if sum(doubled) % 10:  # the Luhn checksum does not match
        return number
    return f"[{len(digits)} digits that look like a card, ending {''.join(map(str, digits[-2:]))}]"


def is_newer(text: str, revised: int) -> bool:
    """Return whether words typed at this ISO 8601 time are new to the reader. `revised`: as in `Additions`."""
    return bool(revised and text) and parse_time(text) // SECOND >= revised // SECOND


def parse_time(text: str) -> int:
    """Return an ISO 8601 time of a report in microseconds; 0 if it is invalid, or before 1970 or after 2999."""
    try:
        at = int(datetime.fromisoformat(text).timestamp() * SECOND)
    except (ValueError, OverflowError):
        return 0
    return at if 0 <= at < LATEST_TIME else 0
