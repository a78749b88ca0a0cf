"""A document of labelled lines as PDF: text alone, without scripts, links, forms or attachments.

The text is drawn by reportlab's canvas, which parses no markup, with a font that has the letters of all our languages.
A character that the font lacks is drawn as U+FFFD and counted, so that nothing disappears silently.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

FONT: Final = "DejaVuSans"
FONT_FILE: Final = Path(__file__).parents[1] / "fonts" / "DejaVuSans.ttf"
REPLACEMENT: Final = "\ufffd"
WIDTH, HEIGHT = A4
MARGIN: Final = 50  # points
LABEL_WIDTH: Final = 120
SIZE, LEADING = 10, 14
TITLE_SIZE, HEADING_SIZE = 17, 12


@cache
def _font() -> TTFont:
    font = TTFont(FONT, FONT_FILE)
    pdfmetrics.registerFont(font)
    return font


def drawable(text: str) -> str:
    """Return the text with U+FFFD for each character that the font lacks; tabs become blanks."""
    letters = _font().face.charToGlyph
    return "".join(
        letter if letter == "\n" or ord(letter) in letters else REPLACEMENT for letter in text.replace("\t", " ")
    )


def wrapped(text: str, size: int, width: float) -> list[str]:
    """Return the lines of a drawable text. A word that is wider than a line is broken, so that no letter is cut off."""
    return [part for line in simpleSplit(text, FONT, size, width) or [""] for part in _broken(line, size, width)]


def _broken(line: str, size: int, width: float) -> Iterator[str]:
    start, used = 0, 0.0
    for index, letter in enumerate(line):
        advance = pdfmetrics.stringWidth(letter, FONT, size)
        if used + advance > width and index > start:
            yield line[start:index]
            start, used = index, 0.0
        used += advance
    yield line[start:]


class _Page:
    """Draws lines from the top to the bottom, on as many pages as they need."""

    def __init__(self, title: str, footer: str) -> None:
        self._buffer = BytesIO()
        self._canvas = Canvas(self._buffer, pagesize=A4, invariant=1, pageCompression=1)
        self._canvas.setTitle(title)
        self._canvas.setCreator("Tokaut")
        self._canvas.setProducer("Tokaut")
        self._footer = drawable(footer)
        self._top = HEIGHT - MARGIN
        self._number = 1

    def draw(self, text: str, *, size: int = SIZE, indent: int = 0) -> None:
        """Draw a wrapped text below the previous one."""
        leading = size + LEADING - SIZE
        for line in wrapped(drawable(text), size, WIDTH - 2 * MARGIN - indent):
            if self._top - leading < MARGIN + 2 * LEADING:
                self._end_page()
            self._top -= leading
            self._write(MARGIN + indent, self._top, line, size)

    def draw_pair(self, label: str, text: str) -> None:
        """Draw a label and, beside it, its text."""
        if self._top - LEADING < MARGIN + 2 * LEADING:
            self._end_page()
        label_lines = wrapped(drawable(label), SIZE, LABEL_WIDTH - 8)
        begin, number = self._top, self._number
        for offset, line in enumerate(label_lines):
            self._write(MARGIN, begin - LEADING * (offset + 1), line, SIZE, grey=0.3)
        self.draw(text, indent=LABEL_WIDTH)
        if self._number == number:  # a label may be longer than its text
            self._top = min(self._top, begin - LEADING * len(label_lines))
        self._top -= 3

    def space(self, points: int) -> None:
        """Leave space below the previous text."""
        self._top -= points

    def close(self) -> bytes:
        """End the document and return it."""
        self._draw_footer()
        self._canvas.save()
        return self._buffer.getvalue()

    def _write(self, x: float, y: float, line: str, size: int, grey: float = 0) -> None:
        self._canvas.setFont(FONT, size)
        self._canvas.setFillGray(grey)
        self._canvas.drawString(x, y, line)

    def _draw_footer(self) -> None:
        self._write(MARGIN, MARGIN, f"{self._footer}   {self._number}", 8, grey=0.3)

    def _end_page(self) -> None:
        self._draw_footer()
        self._canvas.showPage()
        self._top, self._number = HEIGHT - MARGIN, self._number + 1


def document(title: str, notices: Iterable[str], lines: Iterable[tuple[str, str]], footer: str) -> bytes:
    """Return a PDF.

    Args:
        title: the heading of the first page.
        notices: sentences below it.
        lines: (label, text); a line without a text is a heading.
        footer: stands on every page.
    """
    _font()
    page = _Page(title, footer)
    page.draw(title, size=TITLE_SIZE)
    page.space(4)
    for notice in notices:
        page.draw(notice)
    page.space(8)
    for label, text in lines:
        if text:
            page.draw_pair(label, text)
        else:
            page.space(8)
            page.draw(label, size=HEADING_SIZE)
            page.space(3)
    return page.close()
