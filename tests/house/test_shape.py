"""No module is unused, and every kind of plug-in, setting and command has a test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from runtime.settings import SHARED_SETTINGS
from tests.house.files import PRODUCT, ROOT, files, imports, modules, texts
from tests.support.commands import called
from tests.support.settings import settings_of
from tokaut.__main__ import COMMANDS

MIGRATIONS = Path("reports/store/migrations/versions")
ANYBODY_MAY_ADD = ("gateway/channels", "workers/hotlines", "workers/senders", "workers/recordings")


def code() -> list[tuple[Path, ast.Module]]:
    return [(name, tree) for name, tree in modules() if MIGRATIONS not in name.parents]


def _is_a_program(name: Path) -> bool:
    """Return whether a file starts the module, or it is loaded by name, so that no import is needed."""
    manifests = {path for path in files() if path.match("docs/deploy/*/*.yaml")}
    starters = {Path("Procfile"), Path("compose.yaml"), *manifests}
    started = ".".join(name.with_suffix("").parts)
    return name.name in ("__init__.py", "__main__.py", "gunicorn.conf.py", "env.py") or any(
        re.search(rf"\b{re.escape(started)}\b", text)
        for other, text in texts()
        if other != name and (other in starters or (other.parts[0] in PRODUCT and other.suffix == ".py"))
    )


def test_every_module_has_somebody_who_imports_it() -> None:
    taken = {one for _, tree in modules() for one in imports(tree)} | {
        f"tokaut.commands.{command}" for command in COMMANDS
    }
    alone = [
        name
        for name, _ in code()
        if ".".join(name.with_suffix("").parts) not in taken and str(name.parent) not in ANYBODY_MAY_ADD
    ]
    assert [str(name) for name in alone if not _is_a_program(name)] == []


def test_no_rule_is_switched_off_in_the_code() -> None:
    marks = re.compile(r"# (noqa|type: ignore|pragma: no cover|nosec)")
    found = [str(name) for name, text in texts() if name.parts[0] in ("gateway", "workers") and marks.search(text)]
    assert found == []


def test_no_file_has_the_marks_of_a_merge_conflict() -> None:
    """A bug: a page said both that a copy has 64 KiB and that it has 128, between two such marks."""
    marks = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
    assert [str(name) for name, text in texts() if marks.search(text)] == []


@cache
def sources() -> dict[Path, str]:
    return {name: text for name, text in texts() if name.parts[0] == "tests" and name.suffix == ".py"}


@cache
def _brought_in() -> set[str]:
    return {one for _, tree in modules("tests") for one in imports(tree)}


def _added() -> Iterator[Path]:
    for name in files():
        if str(name.parent) in ANYBODY_MAY_ADD and name.suffix == ".py" and name.name != "__init__.py":
            yield name


@pytest.mark.parametrize("name", list(_added()), ids=str)
def test_a_channel_a_hotline_kind_a_sender_has_its_test(name: Path) -> None:
    assert ".".join(name.with_suffix("").parts) in _brought_in()


@pytest.mark.parametrize("flow", sorted(name.stem for name in files() if name.match("flows/*.yaml")))
def test_a_flow_is_walked_in_a_test(flow: str) -> None:
    first = {"home": "home.home", "more": "more.menu", "my_report": "my.code", "report": "report.danger"}
    first |= {"tips_young": "tips_young.who", "tips_parents": "tips_parents.menu", "law": "law.known"}
    first |= {"language": "language.choose", "help": "help.place", "contact_request": "contact_request.ask"}
    assert flow in first, "say here which screen it begins with"
    screen = f'"{first[flow]}"'
    assert any(
        screen in text for name, text in sources().items() if name.parts[1] == "flows" and name.name[:5] == "test_"
    )


def _settings() -> Iterator[str]:
    yield from (one.name for one in settings_of(SHARED_SETTINGS))
    for name in _added():
        before = "_" if name.match("workers/hotlines/*") else ""  # HOTLINE_<ID>_
        yield from (before + one for one in re.findall(r'env\(\s*"([A-Z_]+)"', (ROOT / name).read_text()))


@pytest.mark.parametrize("setting", sorted(set(_settings())))
def test_a_setting_stands_in_a_test(setting: str) -> None:
    assert any(re.search(rf"{setting}(?![A-Z])", text) for text in sources().values())


@pytest.mark.parametrize("command", called(), ids=" ".join)
def test_a_command_stands_in_a_test_of_its_own(command: tuple[str, ...]) -> None:
    mine = [
        text
        for name, text in sources().items()
        if name.name.startswith(f"test_{command[0]}") and name.parts[1] == "tokaut"
    ]
    assert mine, f"there is no tests/tokaut/test_{command[0]}.py"
    assert len(command) == 1 or any(f'"{command[1]}"' in text or f" {command[1]}" in text for text in mine)
