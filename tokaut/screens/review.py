"""What reviewers of a language read: every form of every screen, as phones of a country show it, English beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import locales
from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, screen_variants
from flows.catalogues import ENGLISH_CATALOGUE, SAFETY_SCREENS, Catalogue, messages
from flows.gsm7 import alphabet, size
from flows.model import FlowBook, ScreenText
from flows.pagination import ScreenLimit
from flows.staff_replies import REPLY_TEMPLATES
from flows.text import ENGINE_MESSAGES, PLACEHOLDER
from reports.countries.country import Country
from reports.countries.law import CRITERIA
from reports.countries.placeholders import TRANSLATED_WORDS
from tokaut.screens.phone_profiles import CHANNELS, for_reviewers, menu_languages, phone

# What stands in a translation in {braces}, for people who see a number or a name in its place.
FIELD_MEANINGS = {
    "emergency": "whom to call in danger: the service and its number",
    "emergency_sms": "a number of the emergency services that takes texts",
    "helpline": "the word for helpline, and the number",
    "helpline_sms": "a number of the helpline that takes texts",
    "helpline_name": "the name of the helpline for children",
    "helpline_number": "its number",
    "helpline_named": "its name and its number",
    "helpline_free": "the same, and that it is free",
    "helpline_line": "the same, and that it answers day and night",
    "now": "the helpline where it answers day and night, else whom to call in danger",
    "incomplete_name": "who gets a report when the line drops before Send",
    "send_to_1": "who gets the report",
    "send_to_2": "who else gets it",
    "desk": "the office that has the report",
    "opens": "when somebody is there again",
    "code": "the code of the report",
    "pin": "its PIN",
    "ussd": "what to dial",
    "language_word": "the word for language, in two languages",
    "country": "the country",
    "law_yes": "what the law says",
    "law_yes_2014": "what it said in 2014",
    "law_not": "what it did not say",
    "law_year": "in which year",
    "law_unknown": "what is not known",
    "meant": "the keyword that was probably meant",
    "messages": "how many messages",
    "message": "the words of staff",
}


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """`room`: what the channel leaves for it, in septets (gsm7) or units (ucs2)."""

    text: str
    size: int
    room: int
    alphabet: str


@dataclass(slots=True)
class ReviewScreen:
    """One form of one screen."""

    screen: str
    safety: bool
    translated: bool
    english: tuple[ReviewPage, ...]
    own: tuple[ReviewPage, ...]
    channels: list[str] = field(default_factory=list)


def review_screens(book: FlowBook, of: Country, language: Catalogue) -> list[ReviewScreen]:
    """In the order of the flows. What looks alike by USSD and SMS stands once."""
    menu = menu_languages(of, {language.tag: language})
    found: dict[tuple[str, ...], ReviewScreen] = {}
    for channel in CHANNELS:
        own, english = (for_reviewers(phone(book, of, one, channel, menu)) for one in (language, ENGLISH_CATALOGUE))
        # Forms that read alike in one language may differ in the other, so both languages are asked for theirs.
        alike = (replace(form, laid=own.lay(form)) for form in screen_variants(book, english))
        for form in (*screen_variants(book, own), *alike):
            reading = _reading(form, own, english, language)
            key = (form.screen.id, *(page.text for page in (*reading.english, *reading.own)))
            found.setdefault(key, reading).channels.append(channel)
    order = {name: n for n, name in enumerate(book.screens)}
    return sorted(found.values(), key=lambda one: order[one.screen])


def _reading(form: ScreenVariant, own: PhoneProfile, english: PhoneProfile, language: Catalogue) -> ReviewScreen:
    beside = [page.text for page in english.lay(form).pages]
    return ReviewScreen(
        form.screen.id,
        form.screen.id.startswith(SAFETY_SCREENS),
        not language.lacks(_said(form)),
        tuple(_page(text, english.limit) for text in beside),
        tuple(_page(text, own.limit) for text in form.text),
    )


def _page(text: str, limit: ScreenLimit) -> ReviewPage:
    letters = alphabet(text)
    return ReviewPage(text, size(text), (limit.septets if letters == "gsm7" else limit.units) - limit.prefix, letters)


def _said(form: ScreenVariant) -> Iterator[str]:
    """The messages of the words of this form: what else stands on the screen is on many."""
    says = form.screen.words.says(form.values, form.facts)
    labels = [choice.say for choice in form.screen.choices if choice.when.holds(form.values, form.facts)]
    for words in (*says, *_of(labels, form)):
        if PLACEHOLDER.sub("", words).strip():
            yield words


def _of(labels: Sequence[ScreenText], form: ScreenVariant) -> Iterator[str]:
    for label in labels:
        yield from label.says(form.values, form.facts)


def shared_messages(language: Catalogue) -> list[tuple[str, str]]:
    """Those that stand on every screen, beside numbers, in the law, and ready for staff to leave."""
    return [
        (words, language.words.get(words, ""))
        for words in (*ENGINE_MESSAGES, *TRANSLATED_WORDS, *CRITERIA.values(), *REPLY_TEMPLATES)
    ]


def placeholder_fields(book: FlowBook, of: Country, language: Catalogue) -> list[tuple[str, str, str]]:
    """Each {placeholder} of the catalogue: its name, what it means, what stands there in this country."""
    here = phone(book, of, language, "sms", menu_languages(of, {language.tag: language})).world.fields
    used = {name for words in messages(book) for name in PLACEHOLDER.findall(words)}
    return [(name, meaning, here.get(name, "")) for name, meaning in FIELD_MEANINGS.items() if name in used]


def catalogue_version(tag: str) -> str:
    """Which words were read: it changes with any letter of the file."""
    return hashlib.sha256((locales.FOLDER / f"{tag}.po").read_bytes()).hexdigest()[:12]
