"""How hard English is to read: the grade of Flesch and Kincaid, computed by textstat.

Of textstat's formulas this one fits screens: it counts words, sentences and syllables. Spache's and Dale and Chall's
compare with a list of known words and take SMS and the name of a hotline for hard ones; SMOG needs thirty
sentences. A colon, a semicolon and a new line end a sentence on a phone.
"""

from __future__ import annotations

import re

import textstat

_END_OF_SENTENCE = re.compile(r"[:;\n]+\s*|\.\s*\n")


def grade(text: str) -> float:
    """Return the school year in which a child of an English-speaking country reads the text."""
    return textstat.flesch_kincaid_grade(re.sub(r"([.?!])\. ", r"\1 ", _END_OF_SENTENCE.sub(". ", text)))
