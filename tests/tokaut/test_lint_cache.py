"""The stored results of `tokaut flows lint`: the same report, and none of them after a change."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from flows import loader
from flows.authoring.lint import BatchResult, Finding
from flows.authoring.timing import PathToSend
from locales import FOLDER as LOCALES
from reports.countries.country import SHIPPED_FOLDER, load_countries
from runtime.settings import Mode
from tokaut import lint_cache
from tokaut.commands import flows
from tokaut.lint_cache import KEPT_SECONDS, LintCache, cache_folder

RESULT = BatchResult(
    findings=[(Finding("flows/a.yaml", 1, 2, "a.b", "a fault; mend it"), ["VU en ussd"])],
    lines=2,
    sequences=[PathToSend(("a.b", "a.c"), 12.5)],
    seconds_to_screen={"a.b": 3.25},
    shown=["a.b"],
    offered=[("a.b", "1")],
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    shutil.copytree(loader.FOLDER, folder, ignore=lambda _, names: [n for n in names if not n.endswith(".yaml")])
    return folder


def test_what_was_stored_is_loaded_as_it_was(tmp_path: Path, mine: Path) -> None:
    cache = LintCache(tmp_path / "cache", mine)
    assert cache.load("a") is None
    cache.store("a", RESULT)
    assert cache.load("a") == RESULT
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    (tmp_path / "cache/a.json").write_text("{")
    assert cache.load("a") is None


def test_everything_that_a_result_depends_on_is_in_its_name(
    tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    country = tmp_path / "vu.toml"
    shutil.copy(SHIPPED_FOLDER / "vu.toml", country)
    shutil.copytree(LOCALES, tmp_path / "locales")
    monkeypatch.setattr("locales.FOLDER", tmp_path / "locales")
    code = tmp_path / "code.py"
    code.touch()
    monkeypatch.setattr(lint_cache, "_code", lambda: iter([code]))

    def key(channel: str = "ussd") -> str:
        return LintCache(tmp_path, mine).key(country, ["bi", "en"], channel)

    keys = [key(), key("sms")]
    for path in (mine / "report.yaml", country, tmp_path / "locales/bi.po", code):
        with path.open("a") as file:
            file.write("\n")
        keys.append(key())
    assert len(set(keys)) == len(keys)
    (tmp_path / "locales/fr.po").write_text("of no language of this country")
    assert key() == keys[-1] == key()


def test_a_run_that_finds_all_results_says_the_same_and_walks_nothing(
    tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, countries, cache = loader.load(mine), load_countries(["fm"], Mode.DEMO), LintCache(tmp_path, mine)
    first = flows.run_lint(book, countries, whole=False, quiet=True, cache=cache)
    monkeypatch.setattr("flows.authoring.lint.explore", None)
    again = flows.run_lint(book, countries, whole=False, quiet=True, cache=cache)
    assert flows.report_text(again) == flows.report_text(first)
    assert flows.report_data(again) == flows.report_data(first)
    with pytest.raises(TypeError):
        flows.run_lint(book, countries, whole=False, quiet=True)


def test_results_that_nobody_uses_are_removed(tmp_path: Path, mine: Path) -> None:
    cache = LintCache(tmp_path / "cache", mine)
    for name in ("old", "new"):
        cache.store(name, RESULT)
    long_ago = time.time() - KEPT_SECONDS - 60
    os.utime(tmp_path / "cache/old.json", (long_ago, long_ago))
    cache.remove_old()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["new.json"]


def test_a_folder_that_cannot_be_written_stores_nothing(tmp_path: Path, mine: Path) -> None:
    (tmp_path / "file").touch()
    cache = LintCache(tmp_path / "file", mine)
    cache.store("a", RESULT)
    assert cache.load("a") is None
    cache.remove_old()


def test_it_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/made/up")
    assert cache_folder() == Path("/made/up/tokaut/lint")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative, which the standard says to ignore")
    monkeypatch.setenv("HOME", "/made/up/mere")
    assert cache_folder() == Path("/made/up/mere/.cache/tokaut/lint")
