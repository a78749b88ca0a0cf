"""Fit texts to phone screens: the GSM 7-bit alphabet (3GPP TS 23.038), UTF-16 units, and pages.

Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate, product
from typing import Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from runtime.visible_text import INVISIBLE

GSM7_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


GSM7_EXTENDED = "\f^{}\\[~]|€"  # each takes two septets


GSM7 = re.compile(f"[{re.escape(GSM7_BASIC + GSM7_EXTENDED)}]*")


GSM7_SINGLE = re.compile(f"[{re.escape(GSM7_BASIC)}]*")


_EXTENDED_CHARACTER = re.compile(f"[{re.escape(GSM7_EXTENDED)}]")
MAX_CHOICES_PER_PAGE = 9  # one key press each if the numbers start again on each page
BACK, LEAVE, MORE, SKIP, SORRY, DRILL = "Back", "Leave", "More", "skip", "Sorry, try again.", "DRILL"
DRILL_EMERGENCY = "DRILL. Real emergency:"  # before the numbers to call, which are real
DRILL_END = "END DRILL. Not a real report."  # before the last words of a call
ENGINE_MESSAGES = (BACK, LEAVE, MORE, SKIP, SORRY, DRILL, DRILL_EMERGENCY, DRILL_END)
NAVIGATION_KEYS = frozenset({"0", "00", "98"})  # the same on each screen and channel: back, leave, more
# The carrier itself answers these words (S-09).
CARRIER_WORDS = frozenset(
    {"stop", "stopall", "unsubscribe", "end", "quit", "revoke", "optout", "cancel"}
    | {"start", "yes", "unstop", "help", "info"}
)
_NO_APOSTROPHES = str.maketrans("", "", "'\u2018\u2019\u02bb\u02bc`")
ACCEPTED_CARRIER_WORDS = frozenset({"yes"})  # not allowed as a label, but accepted when typed
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
SENTENCE_END = re.compile(r"((?<=[.!]) |(?<=\?) (?![^.?!\n]*\d\d)|\n)")  # "In danger? Call police 111." is one
# A number to call or to write down: no key, no year, and not the 10 minutes of a notice.
LONG_NUMBER = re.compile(r"\b(?!20\d\d\b|10\b)\d\d")
MIN_LETTERS = 12  # a reply with at least this many letters is free text
_LETTER_CATEGORIES = frozenset({"Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Mn"})
# By the first word of a character's name in Unicode: a syllable or a whole word counts for the letters it stands for,
# and a mark on a Latin letter or for the form of a sign for none. Vowel signs, as in Devanagari and Thai, are letters.
_LETTERS_OF = {
    "CJK": 3,
    **dict.fromkeys(("ETHIOPIC", "HANGUL", "HIRAGANA", "KATAKANA"), 1.5),
    "COMBINING": 0,
    "VARIATION": 0,
}
# Scripts that are written without spaces between words, and the letters of two short words, as "help me".
_WITHOUT_SPACES = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KHMER", "LAO", "MYANMAR", "THAI"})
_LETTERS_OF_TWO_WORDS = 6
CONTEXT_SEPARATOR = "\x04"  # between the context and the text of a message, as in gettext's files
KEYCAP = "\u20e3"  # the frame of a digit that is an emoji
MAX_CHOICE_CHARS = 200  # characters; a longer reply is free text, and is not folded


# The GSM 7-bit default alphabet (3GPP TS 23.038): septets, code units and SMS segments. Pure.


Alphabet = Literal["gsm7", "ucs2"]
ALPHABETS: tuple[Alphabet, ...] = get_args(Alphabet)


def alphabet(text: str) -> Alphabet:
    """Return the alphabet that an SMS with this text needs."""
    return "gsm7" if GSM7.fullmatch(text) else "ucs2"


def septets(text: str) -> int:
    """Return the number of septets of a text whose alphabet is gsm7."""
    return len(text) + len(_EXTENDED_CHARACTER.findall(text))


def size(text: str) -> int:
    """Return the size in units of the text's own alphabet: septets, or UTF-16 code units."""
    return septets(text) if GSM7.fullmatch(text) else utf16_units(text)


def utf16_units(text: str) -> int:
    """Return the number of UTF-16 code units of a text."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def segments(text: str) -> int:
    """Return the number of SMS that the network makes of a text; a character is never divided."""
    is_gsm7 = GSM7.fullmatch(text)
    single_limit, segment_limit = (160, 153) if is_gsm7 else (70, 67)
    if size(text) <= single_limit:
        return 1
    count, used = 1, 0
    for char in text:
        units = 2 if (char in GSM7_EXTENDED if is_gsm7 else ord(char) > 0xFFFF) else 1
        if used + units > segment_limit:
            count, used = count + 1, 0
        used += units
    return count


class ScreenLimit(Struct, frozen=True):
    """The size of one screen.

    `prefix`: characters that the channel puts before the text ("CON "); 0 by SMS.
    """

    septets: int = 160
    units: int = 70
    prefix: int = 4


class MenuLine(Struct, frozen=True):
    """A line with a choice. `choice`: the index of the screen's choice."""

    key: str
    say: str
    choice: int = 0


class Menu(Struct, frozen=True):
    """A screen before it is divided into pages."""

    heading: str
    lines: tuple[MenuLine, ...] = ()
    tail: tuple[MenuLine, ...] = ()  # repeated on each page
    renumber: bool = False  # numbers start at 1 on each page
    below: tuple[str, ...] = ()  # "1 = skip", "0 Back"
    more: str = "98 More"
    leave: str = ""  # last line, on each page where it fits
    foot: str = ""  # below everything else, on page 1
    above: str = ""  # the first line of each page, never shortened


class ScreenPage(Struct, frozen=True):
    """One page. `bare`: the text without the line to leave. `menu`: the menu that was divided."""

    text: str
    bare: str
    lines: tuple[MenuLine, ...] = ()
    more: bool = False
    heading: str = ""  # the part of the heading on this page
    menu: Menu | None = None


def with_first_line(
    page: ScreenPage, signs: tuple[str, ...], limit: ScreenLimit, *, keep: str = "", whole_heading: bool = False
) -> str:
    """Return the text of a page with one of `signs` as its first line, or without if none fits.

    The signs are ordered by preference, the longest first. To make room the line to leave is removed first, then the
    foot, then sentences of the heading without a number, then the end of the heading. The choices, Back, More and the
    line above stay. A heading keeps its first line if that contains `keep`; then its end goes before other sentences.
    `whole_heading`: nothing of the heading is removed.
    """
    menu = page.menu or Menu(page.heading)
    lean = replace(menu, foot="")
    leaner = [_join(part, page.lines, lean, more=page.more) for part in shorter_headings(page.heading)]
    cut = [_join(part, page.lines, lean, more=page.more) for part in (page.heading, *_cut_headings(page.heading, keep))]
    whole = [page.text, page.bare]
    for texts in (whole,) if whole_heading else ([*whole, *cut],) if keep else ([*whole, *leaner], cut):
        for sign, text in product(signs, texts):
            if fits(signed := f"{sign}\n{text}", limit):
                return signed
    return page.text


def shorter_headings(heading: str) -> Iterator[str]:
    """Yield a heading, and ever shorter ones: without its sentences that have no number, the last left out first."""
    first, *rest = SENTENCE_END.split(heading)
    sentences = [("", first), *zip(rest[::2], rest[1::2], strict=True)]
    yield heading
    for left_out in [sentence for sentence in reversed(sentences) if not LONG_NUMBER.search(sentence[1])]:
        at = sentences.index(left_out)  # the next sentence begins the line that this one began
        sentences[at : at + 2] = [(min(left_out[0], end), words) for end, words in sentences[at + 1 : at + 2]]
        yield "".join(map("".join, sentences)).strip()


def _cut_headings(heading: str, keep: str) -> Iterator[str]:
    """Yield ever shorter headings: without the last lines, then without the last sentences, then none at all."""
    lines = heading.split("\n")
    for count in range(len(lines) - 1, 0, -1):
        yield "\n".join(lines[:count])
    first = lines[0]
    if keep and keep in first:
        return
    sentences = re.split(r"(?<=[.?!]) ", first)
    for count in range(len(sentences) - 1, 0, -1):
        yield " ".join(sentences[:count])
    yield ""


def fits(text: str, limit: ScreenLimit) -> bool:
    """Return whether a text fits on one screen."""
    least = len(text) + limit.prefix  # each character takes at least one septet or unit
    if least > max(limit.septets, limit.units):
        return False
    if GSM7_SINGLE.fullmatch(text):
        return least <= limit.septets
    if GSM7.fullmatch(text):
        return septets(text) + limit.prefix <= limit.septets
    return size(text) + limit.prefix <= limit.units


def pages(menu: Menu, limit: ScreenLimit) -> tuple[ScreenPage, ...]:
    """Divide a menu into pages that fit.

    Breaks are between choices; a heading too long for one page breaks between words.
    """
    if menu.foot and not fits(_join(menu.heading, (), menu, more=True), limit):
        menu = replace(menu, heading=f"{menu.heading}\n{menu.foot}", foot="")
    return tuple(_paginate(menu, limit))


def _paginate(menu: Menu, limit: ScreenLimit) -> Iterator[ScreenPage]:
    heading, rest = menu.heading, menu.lines
    while True:
        page = _fullest_page(menu, heading, rest, limit)
        if page is None and heading:
            part, heading = _split_heading(menu, heading, limit)
            yield _page(menu, part, (), limit, more=True)
        else:
            page = page or _page(menu, heading, (_shorten_choice(menu, rest[0], limit),), limit, more=len(rest) > 1)
            rest = rest[max(1, len(page.lines) - len(menu.tail)) :]
            yield page
            if not rest:
                return
        if menu.foot:
            menu = replace(menu, foot="")


def _fullest_page(menu: Menu, heading: str, rest: tuple[MenuLine, ...], limit: ScreenLimit) -> ScreenPage | None:
    """Return a page with as many lines as fit; None if not even the first one fits."""
    most = min(len(rest), MAX_CHOICES_PER_PAGE - len(menu.tail)) if menu.renumber else len(rest)
    for count in range(most, 0 if rest else -1, -1):
        lines = _numbered(menu, rest[:count])
        bare = _join(heading, lines, menu, more=count < len(rest))
        if fits(bare, limit):
            return _page(menu, heading, lines, limit, more=count < len(rest), bare=bare)
    return None


def _numbered(menu: Menu, lines: tuple[MenuLine, ...]) -> tuple[MenuLine, ...]:
    if not menu.renumber:
        return lines + menu.tail
    return tuple(MenuLine(str(number), line.say, line.choice) for number, line in enumerate(lines + menu.tail, 1))


def _join(heading: str, lines: tuple[MenuLine, ...], menu: Menu, *, more: bool, leave: str = "") -> str:
    says = [f"{line.key} {line.say}" for line in lines]
    parts = [menu.above, heading, *says, menu.more if more else "", *menu.below, leave, menu.foot]
    return "\n".join(filter(None, parts))


def _page(
    menu: Menu, heading: str, lines: tuple[MenuLine, ...], limit: ScreenLimit, *, more: bool, bare: str = ""
) -> ScreenPage:
    bare = bare or _join(heading, lines, menu, more=more)
    full = _join(heading, lines, menu, more=more, leave=menu.leave) if menu.leave else bare
    return ScreenPage(full if full is bare or fits(full, limit) else bare, bare, lines, more, heading, menu)


def _split_heading(menu: Menu, heading: str, limit: ScreenLimit) -> tuple[str, str]:
    """Divide a heading at the last blank where the first part fits, or else within a word.

    If possible not before a digit, so that a number stays beside its service.
    """
    blanks = [match.start() for match in re.finditer(r"\s", heading)][::-1]
    blanks.sort(key=lambda blank: heading[blank + 1 : blank + 2].isdigit())
    for cut in [*blanks, *range(len(heading) - 1, 1, -1)]:
        if cut and fits(_join(heading[:cut], (), menu, more=True), limit):
            return heading[:cut], heading[cut:].lstrip()
    return heading[:1], heading[1:]


def _shorten_choice(menu: Menu, line: MenuLine, limit: ScreenLimit) -> MenuLine:
    """Shorten a choice that fills more than one page. This is the last resort."""
    while len(line.say) > 1 and not fits(_join("", (line,), menu, more=True), limit):
        line = replace(line, say=line.say[:-1])
    return replace(line, key="1") if menu.renumber else line


# Normalise what a person types, and define the texts of the engine itself. Pure.


def in_context(context: str, words: str) -> str:
    """Return the message id of a text: with its context, if it has another meaning elsewhere (gettext's msgctxt)."""
    return f"{context}{CONTEXT_SEPARATOR}{words}" if context else words


def without_context(message: str) -> str:
    """Return the text of a message id, without the context."""
    return message.rpartition(CONTEXT_SEPARATOR)[2]


def to_ascii_digits(reply: str) -> str:
    """Convert decimal digits of any script to ASCII digits."""
    if reply.isascii():
        return reply
    return "".join(str(unicodedata.decimal(char)) if char.isdecimal() else char for char in reply)


def fold(words: str) -> str:
    """Return the text for comparison with keys and labels: NFKC, trimmed, without case, blanks collapsed.

    Characters that nobody sees, as marks of direction, do not count, nor does the frame of a digit that is an emoji.
    Never store the result.
    """
    if words.isascii() and words.isdigit():
        return words
    if not words.isascii():
        words = INVISIBLE.sub("", words).replace(KEYCAP, "")
    return to_ascii_digits(" ".join(unicodedata.normalize("NFKC", words).casefold().split()))


def without_marks(folded: str) -> str:
    """Return a folded text without apostrophes, and without marks on letters: `tamatei` for Tongan `tāmateʻi`.

    Keypads often lack the glottal stop and the long vowels of a language.
    """
    if folded.isascii() and folded.isalnum():  # nearly all replies
        return folded
    letters = folded.translate(_NO_APOSTROPHES)
    if letters.isascii():
        return letters
    return "".join(char for char in unicodedata.normalize("NFD", letters) if not "\u0300" <= char <= "\u036f")


def as_stored(typed: str) -> str:
    """Return the text as typed; only NUL becomes U+FFFD, because a database cannot store NUL."""
    return typed.replace("\0", "\ufffd")


def is_free_text(text: str) -> bool:
    """Return whether a reply that is not a choice was meant as a message."""
    counts = accumulate(_letters(char) for char in text)
    return any(count >= MIN_LETTERS for count in counts)


def _letters(char: str) -> float:
    """Return for how many letters of an alphabet a character counts; 0 if it is no letter, vowel sign or syllable."""
    if char.isascii() or unicodedata.category(char) not in _LETTER_CATEGORIES:
        return char.isalpha()
    return _LETTERS_OF.get(_script(char), 1)


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def is_sentence(text: str) -> bool:
    """Return whether a reply has two words or more; in a script without spaces, as many letters as two words have."""
    if sum(any(map(str.isalpha, word)) for word in text.split()) > 1:
        return True
    counts = accumulate(_letters(char) for char in text if not char.isascii() and _script(char) in _WITHOUT_SPACES)
    return any(count >= _LETTERS_OF_TWO_WORDS for count in counts)
