"""Mark sentences that a page's language lacks: they stay English, with `lang="en"` for screen readers and browsers.

A template puts sentences into text and into attributes alike, and only text can have an element around it. So a missing
sentence is rendered between two marks, and `finish` replaces these in the finished page. The marks are random for each
process and are never sent, so nobody's words can contain them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from flows.catalogues import ENGLISH, Catalogue

_SECRET = secrets.token_hex(8)
BEGIN, END = f"\ue000{_SECRET}\ue001", f"\ue000{_SECRET}\ue002"
TAG = re.compile(r"(<[^>]*>)")
TEXT_ONLY = re.compile(r"<(title|option|textarea|script|style)\b", re.IGNORECASE)  # elements that contain no element


def translator(catalogue: Catalogue) -> Callable[[str], str]:
    """Return the function by which templates translate: `_`."""

    def translate(words: str) -> str:
        if catalogue.tag == ENGLISH or words in catalogue.words or not words:
            return catalogue.translate(words)
        return f"{BEGIN}{catalogue.translate(words)}{END}"

    return translate


def finish(page: str) -> str:
    """Replace the marks of a rendered page: by a `span` in text, by `lang` on an option, and by nothing in a tag."""
    if BEGIN not in page:
        return page
    parts = TAG.split(page)  # text and tags in turn
    for index, part in enumerate(parts):
        if BEGIN not in part:
            continue
        is_tag, opened = bool(index % 2), parts[index - 1] if index else ""
        if is_tag or TEXT_ONLY.match(opened):
            parts[index] = part.replace(BEGIN, "").replace(END, "")
            if not is_tag and opened.startswith("<option") and " lang=" not in opened:
                parts[index - 1] = f'{opened[:-1]} lang="{ENGLISH}">'
        else:
            parts[index] = part.replace(BEGIN, f'<span lang="{ENGLISH}">').replace(END, "</span>")
    return "".join(parts)
