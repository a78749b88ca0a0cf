"""JSON that can be read in one way only, from people we do not know. What is not allowed is refused before it is built.

Numbers are the text they are written as: who sends a long one must not make us work.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

MAX_DEPTH: Final = 4
MAX_DIGITS: Final = 20

# A string (perhaps never closed) or a bracket outside one. Possessive, so that no text makes it look twice.
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class StrictJsonError(ValueError):
    """Names the rule that failed, and holds nothing of what came in."""


def object_pairs(text: str) -> tuple[tuple[str, object], ...]:
    """The keys and values of one object in the order written, a key as often as it stands there. Raises NotStrict."""
    _refuse_depth(text)
    try:
        # strict=False: a raw line feed inside a person's words is no reason to lose them
        found = json.loads(
            text, strict=False, object_pairs_hook=tuple, parse_int=_digits, parse_float=str, parse_constant=_refuse
        )
    except StrictJsonError:
        raise
    except ValueError:  # its own attributes hold the text: it must not become the cause of ours
        found = None
    if not isinstance(found, tuple):
        raise StrictJsonError("not one object")
    return found


def _refuse_depth(text: str) -> None:
    """Before the parser sees it, whose recursion a long row of brackets would exhaust."""
    depth = 0
    for match in _BRACKETS.finditer(text):
        first = text[match.start()]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH:
            raise StrictJsonError(f"deeper than {MAX_DEPTH}")


def _digits(literal: str) -> str:
    if len(literal.lstrip("-")) > MAX_DIGITS:
        raise StrictJsonError(f"integer of more than {MAX_DIGITS} digits")
    return literal


def _refuse(_: str) -> NoReturn:
    raise StrictJsonError("NaN or Infinity")
