"""The reviewers' sheet as one HTML page to print, write on and sign. It has no script and loads nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from flows.catalogues import Catalogue
from reports.countries.country import Country
from tokaut.documents.pages import html_document
from tokaut.screens.review import ReviewPage, ReviewScreen

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
CHANNEL_LABELS = {"ussd": "dialled", "sms": "by text"}
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
    of: Country,
    language: Catalogue,
    name: str,
    facts: Iterable[tuple[str, str]],
    readings: Sequence[ReviewScreen],
    words: Sequence[tuple[str, str]],
    fields: Sequence[tuple[str, str, str]],
    version: str,
) -> str:
    """Return the review sheet as HTML.

    `name`: of the language in English. `facts`: rows for the top. `version`: of the catalogue, printed on every page.
    """
    title = f"{name} for {of.name}: to read and to sign"
    body = [*_head(title, language, facts), *_shared_messages(words, name)]
    numbers = itertools.count(1)
    for flow, screens in itertools.groupby(readings, key=lambda screen: screen.screen.partition(".")[0]):
        body += _flow(FLOW_TITLES.get(flow, flow), list(screens), numbers, name, language.tag)
    body += [*_fields(fields), *_sign(name, language)]
    return html_document(title, _style(f"{title}; {version}"), "\n".join(body))


def _style(footer: str) -> str:
    """Return the CSS, with a footer on each printed page, because loose pages get lost."""
    escaped = "".join(f"\\{ord(character):06x}" for character in footer)
    return (
        CSS.read_text(encoding="utf-8") + f'@page {{ @bottom-left {{ content: "{escaped}"; font: 8pt sans-serif; }} }}'
    )


def _head(title: str, language: Catalogue, facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in facts)
    yield f'<table class="facts">{rows}</table>'
    if not language.reviewed:
        yield '<p class="draft">A draft, made by a machine. Nobody may be shown it before you have signed.</p>'
    yield (
        "<p>For two people together: somebody who grew up with the language, and somebody who works in the protection "
        "of children. One of them is not enough.</p>"
    )
    yield f"<ol>{''.join(f'<li>{rule}</li>' for rule in RULES)}</ol>"


def _shared_messages(words: Sequence[tuple[str, str]], name: str) -> Iterator[str]:
    yield "<h2>Words that stand on many screens</h2>"
    yield _list_head("English", name, '<span class="write">better</span>')
    for english, own in words:
        yield f"<tr><td>{escape(english)}</td><td><b>{escape(own) or '&mdash;'}</b></td><td></td></tr>"
    yield "</tbody></table>"


def _list_head(*heads: str) -> str:
    return f'<table class="list"><thead><tr>{"".join(f"<th>{head}</th>" for head in heads)}</tr></thead><tbody>'


def _flow(title: str, screens: Sequence[ReviewScreen], numbers: Iterator[int], name: str, tag: str) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    heads = f'<th class="no">no.</th><th>English</th><th>{escape(name)}</th><th class="write">what to change</th>'
    yield f'<table class="screens"><thead><tr>{heads}</tr></thead>'
    for screen in screens:
        yield _rows(screen, next(numbers), tag)
    yield "</table>"


def _rows(screen: ReviewScreen, number: int, tag: str) -> str:
    channels = " and ".join(CHANNEL_LABELS[channel] for channel in screen.channels)
    safety = '<span class="safety">safety</span> &middot; ' if screen.safety else ""
    own = "".join(map(_page, screen.own)) if screen.translated else UNTRANSLATED
    lines = BLANK_LINE * max(2, min(5, 2 * len(screen.own)))
    return (
        f'<tbody><tr><td class="no" rowspan="2">{number}</td>'
        f'<td class="where" colspan="2">{safety}{escape(screen.screen)} &middot; {channels}</td>'
        f'<td class="write" rowspan="2">{VERDICT_BOXES}{lines}</td></tr>'
        f'<tr><td>{"".join(map(_page, screen.english))}</td><td lang="{escape(tag)}">{own}</td></tr></tbody>'
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
    yield f"<p>We have read every screen of this sheet in {escape(name)}, together and aloud.</p>"
    yield from (f"<p>{CHECKBOX}{choice}</p>" for choice in CHOICES)
    yield "<table><tr><th></th><th>grew up with the language</th><th>works in the protection of children</th></tr>"
    yield from (f"<tr><th>{row}</th><td></td><td></td></tr>" for row in SIGNATURE_ROWS)
    yield "</table><p>&nbsp;</p>"
    yield "<p>Three children and two parents of the country have said each tip back in their own words:</p>"
    yield f'{BLANK_LINE}<p class="count">organisation and date</p>'
    yield (
        "<p>Keep this paper. Whoever looks after the file puts the changes into "
        f"<code>locales/{escape(language.tag)}.po</code>, and the two organisations with the date into "
        "<code>X-Reviewed</code>: no names of people.</p></section>"
    )
