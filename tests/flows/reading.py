"""How hard English is to read: the grade of Flesch and Kincaid, with syllables counted by their vowels."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r"[.?!:]+(?=\s|$)|\n")
_WORD = re.compile(r"[a-z][a-z'-]*", re.IGNORECASE)
_VOWELS = re.compile(r"[aeiouy]+")
_TWO = re.compile(r"i[ao](?!u)|ie[nt]|[^qg]u[aeo](?!$)|eo(?!p)|[aeiouy]ing")  # vowels side by side that are two


def grade(text: str) -> float:
    """The school year in which a child of an English-speaking country reads it."""
    words = [word.lower() for word in _WORD.findall(text)]
    sentences = [one for one in _SENTENCE.split(text) if _WORD.search(one)]
    per_word = sum(map(syllables, words)) / len(words)
    return 0.39 * len(words) / len(sentences) + 11.8 * per_word - 15.59


def syllables(word: str) -> int:
    word = re.sub(r"'s?$", "", word)
    count = len(_VOWELS.findall(word)) + len(_TWO.findall(word))
    if re.search(r"[^aeiouyl]es?$|[^aeiouytd]ed$", word) and not re.search(r"(s|sh|ch|x|z|g|c)es$", word):
        count -= 1  # a silent e
    return max(count, 1)
