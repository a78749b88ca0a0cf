"""The reviewers' sheet as one HTML page to print, write on and sign. It has no script and loads nothing.

Each numbered row has the keys of the translations that it shows: from these `tokaut locales sign` derives the texts
that were read.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from html.parser import HTMLParser
from pathlib import Path

from flows.catalogues import Catalogue
from reports.countries.country import Country
from tokaut.documents.pages import html_document
from tokaut.screens.review import ReviewPage, ReviewScreen, ReviewText, keys_of

CSS = Path(__file__).with_name("review_sheet.css")
FLOW_TITLES = {
    "home": "The first screen, and what the program says by itself",
    "report": "The report",
    "more": "More, after it is sent",
    "my": "My report",
    "language": "The language",
    "law": "The law",
    "tips_young": "Tips for young people",
    "tips_parents": "Tips for parents",
}
CHANNEL_LABELS = {"ussd": "dialled", "sms": "by text", "voice": "spoken"}
RULES = (
    "Read it aloud, both of you. It is said to a child who may be afraid, on a small phone that others may see.",
    "Plain, warm and short. No blame, no fear, no promise. The right word for a child is not always the common one.",
    "Tick <b>good</b>, or cross words out and write the better ones beside. Write in the letters people use: a mark is "
    "never left out because a phone has no room.",
    "Names and numbers are put in by the program. Ask yourselves whether the sentence around them is right.",
    "Under each screen stands how much room it takes. More is possible: it then goes on to another page, and fewer "
    "people read that.",
)
CHECKBOX = '<i class="box"></i>'
BLANK_LINE = '<div class="line"></div>'
VERDICT_BOXES = f'<p class="ticks"><span>{CHECKBOX}good</span><span>{CHECKBOX}change</span></p>'
UNTRANSLATED = (
    f'<p class="none">Not, or not wholly, translated yet: English is shown. Write it here.</p>{BLANK_LINE * 5}'
)
CHOICES = (
    "It can be shown to children and parents as it is.",
    "It can be shown with the changes that we have written in.",
    "It cannot be shown yet.",
)
SIGNATURE_ROWS = ("organisation", "role", "name or initials", "date", "signature")


def review_sheet_html(
    *,
    country: Country,
    language: Catalogue,
    name: str,
    facts: Iterable[tuple[str, str]],
    readings: Sequence[ReviewScreen],
    shared: Sequence[ReviewText],
    others: Sequence[ReviewText],
    fields: Sequence[tuple[str, str, str]],
    version: str,
    printed_on: date,
) -> str:
    """Return the review sheet as HTML.

    `name`: of the language in English. `facts`: rows for the top. `shared`: messages of many screens. `others`: those
    that this country shows nowhere. `version`: of the catalogue, printed on every page.
    """
    title = f"{name} for {country.name}: to read and to sign"
    body = [*_head(title, language, facts, printed_on)]
    numbers = itertools.count(1)
    body += _texts("Words that stand on many screens", shared, numbers, name, language)
    for flow, screens in itertools.groupby(readings, key=lambda screen: screen.screen.partition(".")[0]):
        body += _flow(FLOW_TITLES.get(flow, flow), list(screens), numbers, name, language)
    if others:
        body += _texts(f"Texts that no phone of {country.name} shows", others, numbers, name, language)
    body += [*_fields(fields), *_sign(name, language)]
    return html_document(title, sheet_style(f"{title}; {version}"), "\n".join(body))


def sheet_style(footer: str) -> str:
    """Return the CSS, with a footer on each printed page, because loose pages get lost."""
    escaped = "".join(f"\\{ord(character):06x}" for character in footer)
    return (
        CSS.read_text(encoding="utf-8") + f'@page {{ @bottom-left {{ content: "{escaped}"; font: 8pt sans-serif; }} }}'
    )


def _head(title: str, language: Catalogue, facts: Iterable[tuple[str, str]], printed_on: date) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in facts)
    yield f'<table class="facts" data-language="{escape(language.tag)}" data-printed="{printed_on}">{rows}</table>'
    if not language.has_signed(language.words):
        yield (
            '<p class="draft">A draft, made by a machine. Nobody may be shown what is not marked <i>signed</i> before '
            "you have signed.</p>"
        )
    yield (
        "<p>For two people together: somebody who grew up with the language, and somebody who works in the protection "
        "of children. One of them is not enough.</p>"
    )
    yield f"<ol>{''.join(f'<li>{rule}</li>' for rule in RULES)}</ol>"


def _texts(
    title: str, texts: Sequence[ReviewText], numbers: Iterator[int], name: str, language: Catalogue
) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    yield _list_head('<span class="no">no.</span>', "English", name, '<span class="write">what to change</span>')
    for text in texts:
        number = next(numbers)
        own = f'<b class="said">{escape(text.own)}</b>' if text.own else "&mdash;"
        yield (
            f'<tr {_row_data(number, "", [text.message], language)}><td class="no">{number}</td>'
            f'<td class="said">{escape(text.english)}</td><td lang="{escape(language.tag)}">{own}'
            f"{_signed_mark([text.message], language)}</td><td>{VERDICT_BOXES}</td></tr>"
        )
    yield "</tbody></table>"


def _row_data(number: int, screen: str, messages: Iterable[str], language: Catalogue) -> str:
    """Return the attributes of a row that name its texts, for a program to read."""
    return f'data-row="{number}" data-screen="{escape(screen)}" data-keys="{" ".join(keys_of(language, messages))}"'


def _signed_mark(messages: Iterable[str], language: Catalogue) -> str:
    own = [message for message in messages if message in language.words]
    return ' <span class="count">signed</span>' if own and language.has_signed(own) else ""


def _list_head(*heads: str) -> str:
    return f'<table class="list"><thead><tr>{"".join(f"<th>{head}</th>" for head in heads)}</tr></thead><tbody>'


def _flow(
    title: str, screens: Sequence[ReviewScreen], numbers: Iterator[int], name: str, language: Catalogue
) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    heads = f'<th class="no">no.</th><th>English</th><th>{escape(name)}</th><th class="write">what to change</th>'
    yield f'<table class="screens"><thead><tr>{heads}</tr></thead>'
    for screen in screens:
        yield _rows(screen, next(numbers), language)
    yield "</table>"


def _rows(screen: ReviewScreen, number: int, language: Catalogue) -> str:
    channels = " and ".join(CHANNEL_LABELS[channel] for channel in screen.channels)
    safety = '<span class="safety">safety</span> &middot; ' if screen.safety else ""
    own = "".join(map(_page, screen.own)) if screen.translated else UNTRANSLATED
    lines = BLANK_LINE * max(2, min(5, 2 * len(screen.own)))
    return (
        f"<tbody {_row_data(number, screen.screen, screen.messages, language)}>"
        f'<tr><td class="no" rowspan="2">{number}</td><td class="where" colspan="2">{safety}{escape(screen.screen)} '
        f"&middot; {channels}{_signed_mark(screen.messages, language)}</td>"
        f'<td class="write" rowspan="2">{VERDICT_BOXES}{lines}</td></tr>'
        f'<tr><td>{"".join(map(_page, screen.english))}</td><td lang="{escape(language.tag)}">{own}</td></tr></tbody>'
    )


def _page(page: ReviewPage) -> str:
    unit = "septets" if page.alphabet == "gsm7" else "units, of letters that need more room"
    full = ' <span class="full">full</span>' if page.size == page.max_size else ""
    return f'<p class="phone">{escape(page.text)}</p><p class="count">{page.size} of {page.max_size} {unit}{full}</p>'


def _fields(fields: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    yield "<h2>What the program puts in</h2>"
    yield (
        "<p>In the file of the translation these stand in braces. They may be moved within their line, and none may be "
        "lost.</p>"
    )
    yield _list_head("in the file", "is", "here")
    for name, meaning, here in fields:
        code = f"<code>{{{escape(name)}}}</code>"
        yield f"<tr><td>{code}</td><td>{escape(meaning)}</td><td>{escape(here) or '&mdash;'}</td></tr>"
    yield "</tbody></table>"


def _sign(name: str, language: Catalogue) -> Iterator[str]:
    yield '<section class="sign"><h2>Signatures</h2>'
    yield (
        f"<p>We have read every row of this sheet in {escape(name)}, together and aloud. What we did not tick "
        "<i>good</i> is not signed; neither is a text that changes afterwards.</p>"
    )
    yield from (f"<p>{CHECKBOX}{choice}</p>" for choice in CHOICES)
    yield "<table><tr><th></th><th>grew up with the language</th><th>works in the protection of children</th></tr>"
    yield from (f"<tr><th>{row}</th><td></td><td></td></tr>" for row in SIGNATURE_ROWS)
    yield "</table><p>&nbsp;</p>"
    yield "<p>Three children and two parents of the country have said each tip back in their own words:</p>"
    yield f'{BLANK_LINE}<p class="count">organisation and date</p>'
    yield (
        "<p>Keep this paper. Whoever looks after the file puts the changes into "
        f"<code>locales/{escape(language.tag)}.po</code>, and signs for each of the two organisations what is ticked "
        "<i>good</i>, from the file of this sheet: <code>tokaut locales sign</code>. No names of people.</p></section>"
    )


# A sheet as read by a program: the rows, and the texts that each shows.


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A numbered row of a sheet. screen: its screen; empty for a text by itself. keys: of the translations it shows."""

    number: int
    screen: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadSheet:
    """A sheet as a program reads it."""

    language: str
    printed_on: date
    rows: tuple[SheetRow, ...]


def read_sheet(text: str) -> ReadSheet | None:
    """Return the rows and facts of a sheet; None if the text is not such a sheet."""
    parser = _SheetParser()
    parser.feed(text)
    try:
        language, printed_on = parser.head["data-language"], date.fromisoformat(parser.head["data-printed"])
        rows = tuple(
            SheetRow(int(row["data-row"]), row["data-screen"], tuple(row["data-keys"].split())) for row in parser.rows
        )
    except (KeyError, ValueError):
        return None
    return ReadSheet(language, printed_on, rows)


class _SheetParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.head: dict[str, str] = {}
        self.rows: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes of the facts and of each row."""
        attributes = {name: value or "" for name, value in attrs}
        if "data-language" in attributes:
            self.head = attributes
        elif "data-row" in attributes:
            self.rows.append(attributes)
