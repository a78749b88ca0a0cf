"""Words that blame or belittle a child are nowhere: not in a flow, the code, a page or a test (S-18).

tests/flows/test_wording.py checks the flows for words that are wrong on a screen but right in code (a client, a secret,
a special case).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.house.files import ROOT, texts

NEVER = (
    "child pornography", "child porn", "kiddie", "child prostitute", "prostitute", "prostitution", "sex worker",
    "sex tourism", "victim", "victims", "informant", "complainant", "predator", "monster", "pervert", "paedophile",
    "pedophile", "sexting", "nudes", "revenge porn", "sextortion", "suffering from", "asked for it", "naughty",
    "tell the truth", "your story", "nobody will know", "trust us", "calm down", "don't panic",
)  # fmt: skip

# The lists themselves, and the words of laws and of other organisations' forms.
LISTS = {Path("tests/house/test_never_words.py"), Path("tests/flows/test_wording.py"), Path("docs/safeguarding.md")}
LISTS |= {Path("tests/flows/test_topics.py")}
OF_OTHERS = {Path("reports/crosswalk.toml"), Path("tests/reports/test_crosswalk.py")}
FACTS = Path("tests/reports/country_facts.json")
NAMES = {"title", "name", "listed_as", "source"}  # names that laws and organisations chose, and addresses
FOUND = re.compile(rf"\b({'|'.join(map(re.escape, NEVER))})\b", re.IGNORECASE)


def readable(name: Path, text: str) -> str:
    """Return the text without the parts that quote others."""
    if name in LISTS | OF_OTHERS:
        return ""
    if name.match("flows/tips_*.yaml"):  # their sources use the words of others
        return text.partition("\nsources:\n")[0]
    if name.match("reports/countries/*.toml"):
        return "\n".join(line for line in text.splitlines() if line.partition(" = ")[0] not in NAMES)
    if name == FACTS:
        return json.dumps(_untitled(json.loads(text)), ensure_ascii=False)
    return text


def _untitled(data: object) -> object:
    if isinstance(data, dict):
        return {key: _untitled(value) for key, value in data.items() if key not in NAMES}
    return [_untitled(one) for one in data] if isinstance(data, list) else data


@pytest.mark.rule("S-18")
def test_the_words_stand_nowhere() -> None:
    hits = [(str(name), found[0]) for name, text in texts() for found in FOUND.finditer(readable(name, text))]
    assert hits == []


@pytest.mark.rule("S-18")
@pytest.mark.parametrize("word", NEVER)
def test_a_planted_word_is_found(word: str) -> None:
    assert FOUND.search(readable(Path("flows/report.yaml"), f'words: "They said {word.capitalize()}."'))


@pytest.mark.rule("S-18")
def test_a_law_keeps_its_own_title_and_nothing_else_does() -> None:
    country = Path("reports/countries/vu.toml")
    assert not FOUND.search(readable(country, f'title = "an act on {NEVER[0]}"'))
    assert FOUND.search(readable(country, f'note = "an act on {NEVER[0]}"'))
    assert not FOUND.search(readable(FACTS, json.dumps({"laws": [{"title": NEVER[0]}]})))
    assert FOUND.search(readable(FACTS, json.dumps({"laws": [{"note": NEVER[0]}]})))
    assert FOUND.search((ROOT / FACTS).read_text()) or FOUND.search((ROOT / country).read_text())
