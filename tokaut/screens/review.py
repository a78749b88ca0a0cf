"""The screens that reviewers of a language read: every variant as phones of a country show it, and the English one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import locales
from flows.authoring.screen_variants import PhoneProfile, ScreenVariant, screen_variants
from flows.catalogues import ENGLISH_CATALOGUE, SAFETY_SCREENS, Catalogue, messages
from flows.loader import successors
from flows.model import FlowBook, ScreenText
from flows.pagination import ENGINE_MESSAGES, PLACEHOLDER, ScreenLimit, alphabet, size, without_context
from flows.renderer import fill
from flows.signatures import text_key
from flows.staff_replies import REPLY_TEMPLATES
from gateway.conversation.reducer import HOME
from reports.answer_notices import NOTICE_TEXT
from reports.countries.country import Country
from reports.countries.law import LAW_MESSAGES
from reports.countries.validation import TRANSLATED_WORDS
from runtime.telephony import CHANNEL_KINDS
from tokaut.screens.combinations import for_reviewers, menu_languages, phone

# The {placeholders} of translations, explained to people who see a number or a name in their place.
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
    "service_name": "an office that helps",
    "service_phone": "its number",
    "service_hours": "when it is open",
    "service_checked": "the day on which somebody last dialled it",
    "code": "the code of the report",
    "pin": "its PIN",
    "ussd": "what to dial",
    "language_word": "the word for language, in two languages",
    "law_specific": "what is known about the law, in a sentence",
    "law_computer": "whether it is about phones",
    "law_possession": "whether it is against the law to keep such pictures",
    "law_year": "in which year",
    "meant": "the keyword that was probably meant",
    "messages": "how many messages",
    "message": "the words of staff",
}
# A report from the first screen to its end, then the other choices of the first screen. Other flows come last.
FLOW_ORDER = ("home", "report", "more", "my", "tips_young", "tips_parents", "law", "language")


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """One page of a screen. max_size: the size that fits. Sizes are in septets (gsm7) or UCS-2 units (ucs2)."""

    text: str
    size: int
    max_size: int
    alphabet: str


@dataclass(slots=True)
class ReviewScreen:
    """One variant of one screen.

    english, own: its pages in English and in the reviewed language. messages: those whose translation it shows.
    channels: those that show it like this.
    """

    screen: str
    safety: bool
    translated: bool
    english: tuple[ReviewPage, ...]
    own: tuple[ReviewPage, ...]
    messages: set[str]
    channels: list[str] = field(default_factory=list)


def review_screens(book: FlowBook, country: Country, language: Catalogue) -> list[ReviewScreen]:
    """Return the variants of all screens, in the order of a call. One that USSD and SMS share is listed once."""
    menu = menu_languages(country, {language.tag: language})
    by_content: dict[tuple[str, ...], ReviewScreen] = {}
    for channel in CHANNEL_KINDS:
        own, english = (
            for_reviewers(phone(book, country, catalogue, channel, menu)) for catalogue in (language, ENGLISH_CATALOGUE)
        )
        # Variants that look the same in one language may differ in the other, so those of both are collected.
        of_english = (replace(variant, layout=own.lay_out(variant)) for variant in screen_variants(book, english))
        for variant in (*screen_variants(book, own), *of_english):
            screen = _review_screen(variant, own, english, language)
            key = (variant.screen.id, *(page.text for page in (*screen.english, *screen.own)))
            same = by_content.setdefault(key, screen)
            same.channels += [channel] if channel not in same.channels else []
            same.messages |= screen.messages
    order = {name: position for position, name in enumerate(call_order(book))}
    return sorted(by_content.values(), key=lambda screen: order[screen.screen])


def call_order(book: FlowBook) -> list[str]:
    """Return all screens, flow by flow, each after those that lead to it, and the first choice before the second.

    Those that begin a conversation come first, and those that the program shows by itself last in their flow.
    """
    seen: set[str] = set()
    backwards: list[str] = []

    def visit(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for target in reversed(successors(book.screens[name])):
                visit(target)
            backwards.append(name)

    for home in HOME.values():
        visit(home)
    ordered = dict.fromkeys((*HOME.values(), *reversed(backwards), *book.screens))
    flows = dict.fromkeys((*FLOW_ORDER, *book.flows))
    return [name for flow in flows for name in ordered if name.partition(".")[0] == flow]


def _review_screen(
    variant: ScreenVariant, own: PhoneProfile, english: PhoneProfile, language: Catalogue
) -> ReviewScreen:
    english_pages = [page.text for page in english.lay_out(variant).pages]
    translated = not language.lacks(_own_messages(variant))
    return ReviewScreen(
        variant.screen.id,
        variant.screen.id.startswith(SAFETY_SCREENS),
        translated,
        tuple(_review_page(text, english.limit) for text in english_pages),
        tuple(_review_page(text, own.limit) for text in variant.text),
        set(_shown_messages(variant, own, language)) if translated else set(),
    )


def _review_page(text: str, limit: ScreenLimit) -> ReviewPage:
    encoding = alphabet(text)
    return ReviewPage(text, size(text), (limit.septets if encoding == "gsm7" else limit.units) - limit.prefix, encoding)


def _own_messages(variant: ScreenVariant) -> Iterator[str]:
    """Yield the messages of this variant's own text and choices. Other text on the screen belongs to many screens."""
    texts = variant.screen.words.says(variant.values, variant.facts)
    labels = [choice.say for choice in variant.screen.choices if choice.when.holds(variant.values, variant.facts)]
    for message in (*texts, *_label_messages(labels, variant)):
        if PLACEHOLDER.sub("", message).strip():
            yield message


def _label_messages(labels: Sequence[ScreenText], variant: ScreenVariant) -> Iterator[str]:
    for label in labels:
        yield from label.says(variant.values, variant.facts)


def _shown_messages(variant: ScreenVariant, own: PhoneProfile, language: Catalogue) -> Iterator[str]:
    """Yield the messages whose translation the pages of this variant show, of those that the screen may choose from."""
    screen, context = variant.screen, own.context
    shown = _plain("\n".join(page.text for page in own.lay_out(variant).pages))
    texts = [screen.words, screen.foot, screen.beside, screen.leave, *(choice.say for choice in screen.choices)]
    texts += [screen.zero.say] if screen.zero else []
    texts += [screen.typed.skip_line] if screen.typed else []
    for text in texts:
        candidates = [message for message in text.says(variant.values, variant.facts) if message in language.words]
        yield from [message for message in candidates if _plain(fill(message, context)) in shown][:1]
    # A long text goes on to the next page, below the keys of the first. It is the last, shortest one.
    heading = [message for message in screen.words.says(variant.values, variant.facts) if message in language.words]
    if heading and len(variant.text) > 1 and not any(_plain(fill(message, context)) in shown for message in heading):
        yield heading[-1]


def _plain(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class ReviewText:
    """A message that is read by itself. own: its translation; empty if there is none."""

    message: str
    own: str

    @property
    def english(self) -> str:
        """Return the English text."""
        return without_context(self.message)


def shared_messages(language: Catalogue) -> list[ReviewText]:
    """Return the messages that many screens share.

    They are on every screen, beside numbers, in the law, ready for staff to send, or in the answer notice.
    """
    shared = (*ENGINE_MESSAGES, *TRANSLATED_WORDS, *LAW_MESSAGES, *REPLY_TEMPLATES, NOTICE_TEXT)
    return [ReviewText(message, language.words.get(message, "")) for message in shared]


def other_messages(
    language: Catalogue, screens: Iterable[ReviewScreen], shared: Iterable[ReviewText]
) -> list[ReviewText]:
    """Return the translated messages that no screen of this country shows: they are for other countries."""
    seen = {message for screen in screens for message in screen.messages} | {text.message for text in shared}
    return [ReviewText(message, own) for message, own in language.words.items() if message not in seen]


def keys_of(language: Catalogue, messages: Iterable[str]) -> tuple[str, ...]:
    """Return the keys by which these translations are signed, without those that are missing."""
    return tuple(
        sorted(text_key(language.tag, name, language.words[name]) for name in messages if name in language.words)
    )


def placeholder_fields(book: FlowBook, country: Country, language: Catalogue) -> list[tuple[str, str, str]]:
    """Return each {placeholder} of the catalogue: its name, its meaning and its value in this country."""
    values = phone(book, country, language, "sms", menu_languages(country, {language.tag: language})).context.fields
    used = {name for message in messages(book) for name in PLACEHOLDER.findall(message)}
    return [(name, meaning, values.get(name, "")) for name, meaning in FIELD_MEANINGS.items() if name in used]


def catalogue_version(tag: str) -> str:
    """Return a hash of the catalogue, which names the texts that were read. It changes with any letter of the file."""
    return hashlib.sha256((locales.FOLDER / f"{tag}.po").read_bytes()).hexdigest()[:12]
