"""Words of a neighbouring language, and words spelled in two ways, are found; no list contradicts itself."""

from __future__ import annotations

import pytest

from flows.authoring.spellings import SPELLINGS, spelling_faults

every_pidgin = pytest.mark.parametrize("tag", sorted(SPELLINGS))


@pytest.mark.parametrize(
    ("tag", "text", "said"),
    [
        ("bi", "Long denja? Kolem nao.", []),
        ("bi", "Fon bilong yu", ["'bilong' is written 'blong' in this language"]),
        ("tpi", "Fon blong yu", ["'blong' is written 'bilong' in this language"]),
        ("pis", "BLO yu, blo mi", ["'blo' is written 'blong' in this language"]),
        ("bi", "Sapos oli askem", ["'sapos' is written 'sipos' in this language"]),
        ("tpi", "Sapos ol i askim", []),
        ("fr", "blong", []),
    ],
)
def test_a_word_that_a_language_writes_otherwise_is_named_once(tag: str, text: str, said: list[str]) -> None:
    assert list(spelling_faults(tag, text)) == said


@every_pidgin
def test_no_word_is_both_right_and_wrong(tag: str) -> None:
    assert not set(SPELLINGS[tag]) & set(SPELLINGS[tag].values())


def test_each_pidgin_has_a_list() -> None:
    assert set(SPELLINGS) == {"bi", "pis", "tpi"}
