"""Understandable names: each class name is unique, and no module or class has a retired word in its name."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

from tests.house.files import modules, texts

# A plug-in is a file, and is found by these class names.
PLUG_INS = {Path("gateway/channels"), Path("workers/senders"), Path("workers/hotlines"), Path("workers/recordings")}
FOUND_BY_NAME = {"Channel", "Recorder", "Sender", "Settings"}

# Metaphors for which docs/glossary.md has a term.
RETIRED = frozenset({
    "apart", "crew", "crowd", "desk", "desks", "door", "doors", "duties", "filer", "ground", "hands", "house", "hurry",
    "knocking", "ladder", "leash", "ledger", "leg", "letterbox", "mailroom", "mending", "pillars", "ripeness", "room",
    "story", "sweep", "sweeping", "telling", "thief", "tongues", "vault", "walk", "walking", "wall", "whose", "world",
})  # fmt: skip


def words_of(name: str) -> set[str]:
    """Split `snake_case` and `CamelCase` into lower-case words."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def classes() -> dict[str, list[Path]]:
    """Return where each class of the product is defined."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not (path.parent in PLUG_INS and node.name in FOUND_BY_NAME):
                found[node.name].append(path)
    return found


def test_each_class_name_is_defined_once() -> None:
    assert {name: list(map(str, paths)) for name, paths in classes().items() if len(paths) > 1} == {}


def test_no_class_is_named_by_a_retired_word() -> None:
    assert {name for name in classes() if words_of(name) & RETIRED} == set()


def test_no_class_of_the_tests_is_named_by_a_retired_word() -> None:
    names = {node.name for _, tree in modules("tests") for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    assert "Phone" in names
    assert {name for name in names if words_of(name) & RETIRED} == set()


def test_no_module_is_named_by_a_retired_word() -> None:
    names = {str(path) for path, _ in modules() if words_of(path.stem) & RETIRED and "versions" not in path.parts}
    assert names == set()


@pytest.mark.parametrize("name", ["OnCallDesk", "wall", "letterbox", "HTTPDoor", "drop_ladder"])
def test_a_planted_name_is_found(name: str) -> None:
    assert words_of(name) & RETIRED


@pytest.mark.parametrize("name", ["Doorway", "wallet", "HTTPClient", "sealed", "walkthrough"])
def test_a_longer_word_is_not_taken_for_a_retired_one(name: str) -> None:
    assert not words_of(name) & RETIRED


def curly(name: Path, text: str) -> list[str]:
    """Return the message ids, or the lines of templates or of page code, that have a curly apostrophe.

    A message id is looked up letter by letter, so it uses the straight apostrophe only. Translations may use either.
    """
    lines = text.splitlines()
    if name.suffix == ".po":
        lines = re.findall(r'^msgid (?:"[^\n]*"\n?)+', text, re.MULTILINE)
    return [f"{name}: {line.strip()}" for line in lines if "\u2019" in line]


def test_message_ids_have_straight_apostrophes() -> None:
    places = [one for one in texts() if one[0].parts[0] in ("console", "locales")]
    assert [line for name, text in places if name.suffix in (".html", ".py", ".po") for line in curly(name, text)] == []


def test_a_planted_curly_apostrophe_is_found() -> None:
    assert curly(Path("fr.po"), 'msgid "a"\nmsgstr "l\u2019a"\n\nmsgid ""\n"the lead\u2019s"\nmsgstr ""\n')
    assert curly(Path("a.html"), "{{ _('the lead\u2019s') }}") and not curly(Path("fr.po"), 'msgstr "l\u2019a"\n')
