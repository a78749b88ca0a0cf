"""The recordings of a language as one HTML page to listen to, write on and sign: every screen that a call speaks.

A recording is in the page itself, so that the page can be sent and loads nothing. It has no script, and nothing plays
by itself. Each piece is heard where a call first says it, and has a number by which later screens name it.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from gateway.messaging.speech import Recording, Recordings, fragment_id, utter
from tokaut.documents.pages import html_document
from tokaut.documents.review_sheet import (
    BLANK_LINE,
    CHECKBOX,
    FLOW_TITLES,
    SIGNATURE_ROWS,
    VERDICT_BOXES,
    sheet_style,
)

TYPES = {".mp3": "audio/mpeg", ".wav": "audio/wav"}
RULES = (
    "Listen to all of it, both of you, in this order: it is the order of a call. Press each player yourselves.",
    "Is it calm, clear and kind? Is every word the one that is written beside it? Does a name fit before and after?",
    "Tick <b>good</b>, or write what to record again. A piece that is not good is recorded again under the same name.",
    "A piece is heard once in this list. Where a later screen says it again, its number stands there.",
)


@dataclass(frozen=True, slots=True)
class SpokenScreen:
    """One screen of a call. `english`, `own`: its text as on a display, in English and in the language."""

    screen: str
    english: str
    own: str


@dataclass(slots=True)
class _Pieces:
    """The pieces heard so far, by the part of their address, with the number of each."""

    folder: Path
    numbers: dict[str, int] = field(default_factory=dict)

    def heard(self, recording: Recording) -> str:
        """Return the player of a recording; after the first time, only its number."""
        if recording.path in self.numbers:
            return f'<p class="count">piece {self.numbers[recording.path]}</p>'
        number = self.numbers[recording.path] = len(self.numbers) + 1
        file = self.folder / recording.path
        sound = file.read_bytes()
        source = f"data:{TYPES[file.suffix]};base64,{base64.b64encode(sound).decode()}"
        digest = hashlib.sha256(sound).hexdigest()
        return (
            f'<div data-piece="{escape(file.name)}" data-sha256="{digest}"><p class="count">piece {number}: '
            f'{escape(file.name)}</p><audio controls preload="none" src="{source}"></audio>{VERDICT_BOXES}</div>'
        )


def prompt_sheet_html(
    *,
    title: str,
    tag: str,
    facts: Iterable[tuple[str, str]],
    screens: Sequence[SpokenScreen],
    others: Sequence[str],
    recordings: Recordings,
    folder: Path,
    version: str,
) -> str:
    """Return the sheet as HTML. `others`: fragments that no screen here shows, such as names of other hotlines.

    Raises OSError if a recording cannot be read.
    """
    pieces = _Pieces(folder)
    body = [*_head(title, facts)]
    for flow, group in itertools.groupby(screens, key=lambda screen: screen.screen.partition(".")[0]):
        body.append(f"<h2>{escape(FLOW_TITLES.get(flow, flow))}</h2>")
        body.append('<table class="screens"><thead><tr><th>the screen</th><th class="write">heard</th></tr></thead>')
        body += [_row(screen, tag, recordings, pieces) for screen in group]
        body.append("</table>")
    body += [*_others(others, tag, recordings, pieces), *_sign()]
    return html_document(title, sheet_style(f"{title}; {version}"), "\n".join(body))


def _head(title: str, facts: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    rows = "".join(f"<tr><th>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in facts)
    yield f'<table class="facts">{rows}</table>'
    yield (
        "<p>For two people together: somebody who grew up with the language, and somebody who works in the protection "
        "of children. The texts must be signed first: <code>tokaut locales sheet</code>.</p>"
    )
    yield f"<ol>{''.join(f'<li>{rule}</li>' for rule in RULES)}</ol>"


def _row(screen: SpokenScreen, tag: str, recordings: Recordings, pieces: _Pieces) -> str:
    heard = "".join(_uttered(screen.own, tag, recordings, pieces))
    return (
        f'<tbody><tr><td class="where" colspan="2">{escape(screen.screen)}</td></tr><tr><td>'
        f'<p class="phone">{escape(screen.english)}</p><p class="phone" lang="{escape(tag)}">{escape(screen.own)}</p>'
        f"</td><td>{heard}{BLANK_LINE * 2}</td></tr></tbody>"
    )


def _uttered(text: str, tag: str, recordings: Recordings, pieces: _Pieces) -> Iterator[str]:
    for part in utter(text, tag, recordings, has_voice=False):
        if isinstance(part, Recording):
            yield pieces.heard(part)
        else:
            yield f'<p class="none">Not recorded: {escape(part.text)}</p>'


def _others(others: Sequence[str], tag: str, recordings: Recordings, pieces: _Pieces) -> Iterator[str]:
    unheard = [
        text for text in others if (sound := recordings.find(tag, text)) is None or sound.path not in pieces.numbers
    ]
    if not unheard:
        return
    yield "<h2>What the program puts in, and texts of other paths</h2>"
    yield '<table class="list"><thead><tr><th>the text</th><th class="write">heard</th></tr></thead><tbody>'
    for text in unheard:
        sound = recordings.find(tag, text)
        heard = pieces.heard(sound) if sound else f'<p class="none">Not recorded: {fragment_id(text)}</p>'
        yield f'<tr><td lang="{escape(tag)}">{escape(text)}</td><td>{heard}</td></tr>'
    yield "</tbody></table>"


def _sign() -> Iterator[str]:
    yield '<section class="sign"><h2>Signatures</h2>'
    yield (
        "<p>We have listened to every piece of this list together. What we did not tick <i>good</i> is not signed; "
        "neither is a piece that is recorded again afterwards.</p>"
    )
    yield f"<p>{CHECKBOX}Calls may play it as it is.</p><p>{CHECKBOX}After the changes that we have written in.</p>"
    yield "<table><tr><th></th><th>grew up with the language</th><th>works in the protection of children</th></tr>"
    yield from (f"<tr><th>{row}</th><td></td><td></td></tr>" for row in SIGNATURE_ROWS)
    yield "</table><p>Keep this paper with the recordings. No names of people.</p></section>"
