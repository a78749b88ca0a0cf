"""locales/weblate.json has the form for `weblate import_json`, and names existing files."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from flows.catalogues import ENGLISH
from tests.docs.pages import ROOT

COMPONENTS: list[dict[str, Any]] = json.loads((ROOT / "locales/weblate.json").read_text(encoding="utf-8"))
# Fields of Weblate's component: docs.weblate.org, "REST API", Components, and the schema of its component backups.
FIELDS = {
    "name": str, "slug": str, "repo": str, "branch": str, "vcs": str, "file_format": str, "filemask": str,
    "new_base": str, "new_lang": str, "language_regex": str, "license": str, "check_flags": str,
    "allow_translation_propagation": bool,
}  # fmt: skip
NEW_LANGUAGES = ("contact", "url", "add", "none")

each = pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component["slug"])


@each
def test_a_component_has_what_weblate_asks_and_nothing_that_it_does_not_know(component: dict[str, Any]) -> None:
    assert {"name", "filemask", "repo"} <= set(component) <= set(FIELDS)
    assert all(isinstance(value, FIELDS[name]) for name, value in component.items())
    assert re.fullmatch(r"[a-z0-9-]+", component["slug"]) and component["new_lang"] in NEW_LANGUAGES
    assert component["file_format"] == "po" and component["filemask"].count("*") == 1


@each
def test_its_files_are_there_and_are_those_of_the_languages(component: dict[str, Any]) -> None:
    files = {path.stem for path in ROOT.glob(component["filemask"])}
    folder = (ROOT / component["filemask"]).parent
    assert len(files) >= 4 and files == {path.stem for path in folder.glob("*.po")}
    languages = {tag for tag in files if re.search(component.get("language_regex", ""), tag)}
    assert languages == files - {ENGLISH}
    assert (ROOT / component.get("new_base", component["filemask"].replace("*", "fr"))).is_file()


def test_one_copy_of_the_repository_serves_both() -> None:
    assert [one["repo"] for one in COMPONENTS[1:]] == [f"weblate://tokaut/{COMPONENTS[0]['slug']}"]
