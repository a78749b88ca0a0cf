"""Check the replies of staff to a reporter, who reads them on a phone that others use too (S-25). Pure.

Refused are a text that does not fit one screen, a link, a number that is not the country's, and a request for pictures.
Other doubts are put to the writer, who may confirm the text: words that look wrong can be right. A word that a first
question needs ("Are you safe?") only gets a hint. The word lists are in English, and for pictures also in some other
languages; no speaker of those has reviewed them.

The module also has ready sentences for staff. They are true whatever was reported, and harmless if others read along.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from flows.pagination import alphabet, size, utf16_units

MAX_SEPTETS, MAX_UNITS = 120, 40  # room for a reply; the lines below it need the rest of 160 septets or 70 units
# Control and format characters: how they look depends on the phone.
INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co"})

# Also two words joined by a dot: the endings cannot be listed, and phones turn most of them into links.
LINK = re.compile(r"\w://|\bwww\b|\bhxxp|@\w|\[\.\]|\w[.\u3002][^\W\d_]{2}", re.IGNORECASE)
ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|a\.m|p\.m)\b", re.IGNORECASE)
TIME = re.compile(r"\b(?:[01]?\d|2[0-4])[.:h][0-5]\d\b(?![.:\d])|\b\d{1,2}(?= ?[ap]m\b)", re.IGNORECASE)
# Includes characters between digits: a dash or a comma does not end a number for its reader.
DIGITS = re.compile(r"\d(?:[\W\d_]*\d)?")
MAX_SHORT_DIGITS = 2  # up to this many digits are no telephone number: "at 4", "in 10 days"

# As "1 Yes": the screen has its own choices below the message, and a key that is pressed chooses one of those.
CHOICE = re.compile(r"^[ \t]*\d{1,2}(?:[.):]|(?= ))", re.MULTILINE)

PICTURE_WORDS = (
    r"pictures?|photos?|images?|videos?|selfies?|screenshots?|pics?|clips?|"  # English
    r"vid[ée]os?|clich[ée]s?|fotos?|foto|pija|piksa|poto|piksa|picha|itaba|ata"
)
SEND_VERBS = (
    r"send|sends|show|upload|share|forward|mms|attach|take|post|give|let (?:us|me) see|"
    r"(?:we|i) (?:need|want)(?! to\b)|(?:can|may|could) (?:we|i) (?:see|have|get)|"
    r"envoie[sz]?|envoyez|envoyer|montrez?|sendem|soem|salim|soim|tuma|tutumie|vakauta"
)
NEGATIONS = r"not|never|no|don'?t|cannot|can'?t|without|ne|pas|jamais|nogat|noken|usi\w+|kua"
# From the negation to the verb, without a comma or "and" between: "Don't worry, send us a photo" is a request.
NEGATED_SEND = re.compile(
    rf"\b(?:{NEGATIONS})(?: +(?!(?:and|but|then|et|mais)\b)\w+){{0,3}} +(?:{SEND_VERBS})\b|\b(?:{SEND_VERBS}) "
    rf"+(?:pas|jamais)\b",
    re.IGNORECASE,
)
ASKS_FOR_PICTURES = re.compile(
    rf"\b(?:{SEND_VERBS})\b[^.!?\n]*\b(?:{PICTURE_WORDS})\b|\b(?:{PICTURE_WORDS})\b[^.!?\n]*\b(?:{SEND_VERBS})\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
BRACES = re.compile(r"\{([a-z]+)\}")

TOPIC_WORDS = frozenset(
    {"abuse", "abused", "sex", "sexual", "child", "children", "hurt", "police", "report", "reported", "help"}
    | {"hotline", "helpline", "protect", "protection", "case", "violence", "crime", "picture", "pictures"}
    | {"threat", "threats"}
)
FIRST_QUESTION_WORDS = frozenset({"safe", "danger"})  # "Are you safe?" is what a helpline asks first
PROMISES = re.compile(
    r"\b(?:help is coming|you are safe now|(?:we|they|police|someone) will (?:come|call|visit|save|rescue|arrest)"
    r"|nobody (?:can|will)|no one will|secret|anonymous|confidential|promise|guarantee)\b",
    re.IGNORECASE,
)
NEVER_ASKED = re.compile(
    r"\b(?:your (?:full |real )?name|full name|your address|where do you live|which school|name of (?:your|the) school"
    r"|identity|id number|birth ?date|card number|account number|religion|tribe|ethnic|marks on"
    r"|what did (?:he|she|they) do|why did|why didn'?t|why have you)\b",
    re.IGNORECASE,
)


class Weight(StrEnum):
    """The weight of an objection."""

    REFUSED = "refused"  # it cannot be sent
    DOUBT = "doubt"  # the writer may confirm it
    HINT = "hint"  # it may be sent as it is


# The objections, each a message of the console's catalogues.
EMPTY = "The message is empty."
TOO_LONG = (
    "The message has {size} characters, and one screen has room for {room}. Shorten it, or send two messages one after "
    "the other."
)
INVISIBLE = "The message has characters that nobody can see. Write it in plain letters."
HAS_LINK = (
    "The message has a link or an address, or no space after a full stop. Nobody can open a link safely on that phone."
)
FOREIGN_NUMBER = "Only checked helpline numbers of this country may be sent. {number} is not one."
PICTURES_ASKED = "The message asks for pictures. Having one may be a crime, even for staff."
LIKE_A_CHOICE = "A line begins with a number. It looks like one of the choices of that screen."
TOPIC = "The first line says {words}. Anybody who looks at that phone reads it."
PROMISE = "The message promises something that is not certain: {words}."
ASKS_TOO_MUCH = "The message asks or says something that staff never ask or say: {words}."
FIRST_QUESTION = "The first line says {words}. Others who look at that phone may guess what this is about."
SENTENCES: Final = (
    *(EMPTY, TOO_LONG, INVISIBLE, HAS_LINK, FOREIGN_NUMBER, PICTURES_ASKED),
    *(LIKE_A_CHOICE, TOPIC, PROMISE, ASKS_TOO_MUCH, FIRST_QUESTION),
)


@dataclass(frozen=True, slots=True)
class Objection:
    """An objection to a text: one of SENTENCES, with the fields of its placeholders."""

    weight: Weight
    sentence: str
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Return whether the text cannot be sent."""
        return self.weight is Weight.REFUSED

    @property
    def why(self) -> str:
        """Return the sentence in English, with its fields filled in."""
        return BRACES.sub(lambda match: self.fields[match[1]], self.sentence)


def check_reply(words: str, numbers: Collection[str], names: Collection[str] = ()) -> tuple[Objection, ...]:
    """Return the objections to a text for a reporter, the refusals first.

    `numbers`: those that may be shown in the country, as digits. `names`: the names of its hotlines.
    """
    return (*_refusals(words, numbers), *_doubts(words, names))


def _refusals(words: str, numbers: Collection[str]) -> Iterator[Objection]:
    def refusal(sentence: str, **fields: str) -> Objection:
        return Objection(Weight.REFUSED, sentence, fields)

    if not words.strip():
        yield refusal(EMPTY)
    max_size = room_for(words)
    if size(words) > max_size:
        yield refusal(TOO_LONG, size=str(size(words)), room=str(max_size))
    if any(unicodedata.category(char) in INVISIBLE_CATEGORIES and char != "\n" for char in words):
        yield refusal(INVISIBLE)
    plain = _plain(words)
    if LINK.search(ABBREVIATION.sub(" ", plain)):
        yield refusal(HAS_LINK)
    for number in _foreign_numbers(plain, numbers):
        yield refusal(FOREIGN_NUMBER, number=number)
    if any(ASKS_FOR_PICTURES.search(NEGATED_SEND.sub(" ", sentence)) for sentence in SENTENCE.findall(plain)):
        yield refusal(PICTURES_ASKED)


def _doubts(words: str, names: Collection[str]) -> Iterator[Objection]:
    plain = _plain(words)
    first = plain.split("\n", 1)[0].casefold()
    first_words = set(re.findall(r"\w+", first))
    revealing = sorted(TOPIC_WORDS & first_words) + sorted(name for name in names if name.casefold() in first)
    if revealing:
        yield Objection(Weight.DOUBT, TOPIC, {"words": ", ".join(revealing)})
    if CHOICE.search(TIME.sub("-", plain)):
        yield Objection(Weight.DOUBT, LIKE_A_CHOICE)
    if match := PROMISES.search(plain):
        yield Objection(Weight.DOUBT, PROMISE, {"words": match[0]})
    if match := NEVER_ASKED.search(plain):
        yield Objection(Weight.DOUBT, ASKS_TOO_MUCH, {"words": match[0]})
    if hinted := sorted(FIRST_QUESTION_WORDS & first_words):
        yield Objection(Weight.HINT, FIRST_QUESTION, {"words": ", ".join(hinted)})


def room_for(words: str) -> int:
    """Return the greatest size that this text may have: in septets, or in UTF-16 units if it needs them."""
    return MAX_SEPTETS if alphabet(words) == "gsm7" else MAX_UNITS


def split_at_edge(words: str) -> tuple[str, str]:
    """Split a text where the phone's screen ends, into the part that fits and the rest."""
    is_gsm7, max_size, used = alphabet(words) == "gsm7", room_for(words), 0
    for position, char in enumerate(words):
        used += size(char) if is_gsm7 else utf16_units(char)
        if used > max_size:
            return words[:position], words[position:]
    return words, ""


def _plain(words: str) -> str:
    """Return the text in a normal form: letters that look alike become the same."""
    visible = "".join(char for char in unicodedata.normalize("NFKC", words) if unicodedata.category(char) != "Cf")
    return visible.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _foreign_numbers(words: str, numbers: Collection[str]) -> Iterator[str]:
    """Yield the digit sequences that are neither a number of the country nor too short to be one."""
    for match in DIGITS.finditer(TIME.sub(" ", words)):
        digits = re.sub(r"\D", "", match[0])
        rest = "".join(part for part in re.findall(r"\d+", match[0]) if part not in numbers)
        if digits not in numbers and len(rest) > MAX_SHORT_DIGITS:
            yield match[0]


# Ready sentences for staff (S-25). They are messages of the catalogues, and pass `check_reply` in each language that
# has them. A new one must be as short, ask for nothing, name no person and nothing of what happened, and promise
# nothing.

REPLY_TEMPLATES: Final = (
    "Hello. We have read what you wrote. Thank you for telling us.",
    "You did right to tell us.",
    "Tell us only what you want to. You can stop at any time.",
    "When is a good time for you? You can write it here.",
    "We tried to reach you at the time you gave. When else is good?",
    "You need not answer now. Wait until nobody else sees this phone.",
    "Somebody is looking at it now. You can write more here.",
    "We have asked others who can do more. Please look here again when you can.",
    "We close this now. As long as your code works, you can write here.",
    "Cannot wait? Go now to a grown-up you trust, or call the number on the first screen.",
)
