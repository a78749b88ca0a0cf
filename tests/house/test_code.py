"""Constructs that the code must not use, and how SQL statements are made."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house.files import dotted, files, imports, modules, texts

Finder = Callable[[ast.Module], Iterator[str]]

DANGEROUS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "logging.config.fileConfig"}
PACKING = {"pickle", "marshal", "shelve", "dill", "jsonpickle"}
XML = {"xml", "lxml", "xmlrpc"}


def readers_of_the_framework(tree: ast.Module) -> Iterator[str]:
    """One byte that is not UTF-8 empties Flask's form; gateway/messaging/parsing.py reads the request instead."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.fullmatch(
            r"(flask\.)?request\.(form|values|args|json|get_json|files|cookies)", dotted(node)
        ):
            yield dotted(node)


def dangerous_calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if dotted(node.func) in DANGEROUS:
                yield dotted(node.func)
            for given in node.keywords:
                if isinstance(given.value, ast.Constant) and (given.arg, given.value.value) in (
                    ("shell", True),
                    ("verify", False),
                    ("debug", True),
                    ("show_locals", True),
                ):
                    yield f"{given.arg}={given.value.value}"


def packing(tree: ast.Module) -> Iterator[str]:
    yield from (name for name in imports(tree) if name.partition(".")[0] in PACKING | XML)


def chance(tree: ast.Module) -> Iterator[str]:
    """`random` is for jitter only; its SystemRandom is allowed. Keys and ids come from `secrets` and `os.urandom`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            yield "from random import"
        if isinstance(node, ast.Attribute) and dotted(node.value) == "random" and node.attr != "SystemRandom":
            yield dotted(node)


def sql_from_text(tree: ast.Module) -> Iterator[str]:
    """Yield raw SQL, except constants, literals and the statements of the durability and privilege checks."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func).removeprefix("sqlalchemy.") in ("text", "literal_column"):
            yield dotted(node.func)
        if isinstance(node, ast.Call) and dotted(node.func).endswith(".exec_driver_sql"):
            names = {inner.id for inner in ast.walk(node.args[0]) if isinstance(inner, ast.Name)}
            known = names <= {"command", "name"} or names == {"sql"} or all(map(str.isupper, names))
            if not isinstance(node.args[0], ast.Constant) and not (names and known):
                yield ast.unparse(node.args[0])


def redis_clients(tree: ast.Module) -> Iterator[str]:
    """Only runtime/redis_clients.py creates clients, with time limits and a checked certificate."""
    if any(isinstance(node, ast.FunctionDef) and node.name == "session_client" for node in tree.body):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and re.fullmatch(
            r"(.*\.)?(Redis|Sentinel|ConnectionPool)(\.from_url)?", dotted(node.func)
        ):
            yield dotted(node.func)


LINTS: dict[Finder, str] = {
    readers_of_the_framework: "def view():\n    return request.form['text']",
    dangerous_calls: "import subprocess\nsubprocess.run('ls', shell=True)",
    packing: "import pickle",
    chance: "import random\nrandom.random()",
    redis_clients: "from redis import Redis\nRedis.from_url(address)",
    sql_from_text: "connection.exec_driver_sql(f'SELECT {words}')",
}


@functools.cache
def findings() -> dict[Finder, list[str]]:
    """Return each lint's findings, from one parsing of the code."""
    found: dict[Finder, list[str]] = {find: [] for find in LINTS}
    for name, tree in modules():
        for find, lines in found.items():
            lines += [f"{name}: {line}" for line in find(tree)]
    return found


@pytest.mark.rule("A-08")
@pytest.mark.rule("A-40")
@pytest.mark.rule("A-41")
@pytest.mark.rule("A-03")
@pytest.mark.rule("X-26")
@pytest.mark.parametrize("find", LINTS, ids=lambda find: find.__name__)
def test_no_line_of_the_code(find: Finder) -> None:
    assert findings()[find] == []


@pytest.mark.parametrize(("find", "planted"), LINTS.items(), ids=[find.__name__ for find in LINTS])
def test_a_planted_line_is_found(find: Finder, planted: str) -> None:
    assert list(find(ast.parse(planted)))


@pytest.mark.rule("A-03")
def test_sqlalchemys_text_is_nowhere() -> None:
    assert [name for name, tree in modules() if {"sqlalchemy.text", "sqlalchemy.sql.text"} & set(imports(tree))] == []


READING = ("flows", "gateway", "workers")  # the packages that handle typed text


@pytest.mark.rule("A-06")
def test_no_template_and_no_format_string_comes_from_data() -> None:
    """`str.format` and `%` on anything but a literal would interpret text of a flow or a person."""

    def found(tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            on = node.func.value if isinstance(node.func, ast.Attribute) else None
            last = dotted(node.func).rpartition(".")[2] or getattr(node.func, "attr", "")
            if last in ("render_template_string", "from_string"):
                yield ast.unparse(node)
            if last in ("format", "format_map") and on is not None and not isinstance(on, ast.Constant):
                yield ast.unparse(node)

    assert [f"{name}: {line}" for name, tree in modules(*READING) for line in found(tree)] == []


# Machine paths and registries are joined here, so that this file does not contain them.
OUTSIDE = [
    "/".join(("..", "shared")),
    "/" + "/".join(("work", "")),
    "/" + "/".join(("root", "")),
    "/" + "/".join(("home", "")),
    "/" + "/".join(("Users", "")),
]
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("crates", "io"),
        ("golang", "org"),
    )
]


@pytest.mark.parametrize("phrase", [*OUTSIDE, *REGISTRIES])
def test_no_file_names_a_place_outside_the_project_or_a_registry(phrase: str) -> None:
    assert [str(name) for name, text in texts() if phrase in text] == []


KEY = re.compile(r"-{5}BEGIN [A-Z ]*PRIVATE KEY-{5}\s+[A-Za-z0-9+/]{40}")


def test_nothing_in_the_checkout_is_a_secret() -> None:
    assert [str(name) for name, text in texts() if KEY.search(text)] == []
    assert not {Path(".env"), Path("var/demo.json")} & set(files())
