"""Readability of English: the grade of Flesch and Kincaid, computed by textstat.

Of textstat's formulas this one suits screens: it counts words, sentences and syllables. Spache's and Dale and Chall's
use a list of known words, and treat SMS and the name of a hotline as hard; SMOG needs thirty sentences. On a phone a
colon, a semicolon and a new line end a sentence.
"""

from __future__ import annotations

import re

import textstat

_END_OF_SENTENCE = re.compile(r"[:;\n]+\s*|\.\s*\n")


def grade(text: str) -> float:
    """Return the school year in which a child of an English-speaking country reads the text."""
    return textstat.flesch_kincaid_grade(re.sub(r"([.?!])\. ", r"\1 ", _END_OF_SENTENCE.sub(". ", text)))
