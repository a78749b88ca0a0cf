"""Parse unambiguous JSON from unknown senders. Forbidden input is refused before it is parsed.

Numbers stay text as written (NumberText), because converting a very long number takes much processor time.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

MAX_DEPTH: Final = 4
MAX_DIGITS: Final = 20

# A string (perhaps never closed) or a bracket outside one. Possessive, so that no text makes it backtrack.
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class NumberText(str):
    """A number as it was written, so that a caller can tell it from a text."""

    __slots__ = ()


class StrictJsonError(ValueError):
    """Input breaks a rule. The message names the rule and holds nothing of the input."""


def object_pairs(text: str) -> tuple[tuple[str, object], ...]:
    """Return the keys and values of one object in the order written, repeated keys too. Raises StrictJsonError."""
    _refuse_depth(text)
    try:
        # strict=False: a raw line feed in a person's words must not lose the words
        pairs = json.loads(
            text,
            strict=False,
            object_pairs_hook=tuple,
            parse_int=_digits,
            parse_float=NumberText,
            parse_constant=_refuse,
        )
    except StrictJsonError:
        raise
    except ValueError:  # its attributes hold the text, so it must not become the cause of our error
        pairs = None
    if not isinstance(pairs, tuple):
        raise StrictJsonError("not a JSON object")
    return pairs


def _refuse_depth(text: str) -> None:
    """Refuse deep nesting before the parser runs: a long row of brackets would exhaust its recursion."""
    depth = 0
    for match in _BRACKETS.finditer(text):
        bracket = text[match.start()]
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > MAX_DEPTH:
            raise StrictJsonError(f"nested deeper than {MAX_DEPTH}")


def _digits(number: str) -> NumberText:
    if len(number.lstrip("-")) > MAX_DIGITS:
        raise StrictJsonError(f"integer of more than {MAX_DIGITS} digits")
    return NumberText(number)


def _refuse(_: str) -> NoReturn:
    raise StrictJsonError("NaN or Infinity")
