"""YAML read as text with its place in the file. Every scalar is the text it looks like, be it `no`, `12:30` or `1`,
and a key written twice is refused (B-66, B-67)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from ruamel.yaml import YAML, MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.error import MarkedYAMLError, YAMLError


class FlowError(Exception):
    """A flow file that cannot be used. str() is "file:line:column: screen: what is wrong; what to do"."""

    def __init__(self, file: str, line: int, column: int, screen: str, message: str) -> None:
        self.file, self.line, self.column, self.screen, self.message = file, line, column, screen, message
        where = f"{file}:{line}:{column}: "
        super().__init__(where + (f"{screen}: {message}" if screen else message))


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A node of the file and the screen it belongs to."""

    file: str
    screen: str
    node: Node

    @property
    def line(self) -> int:
        return int(self.node.start_mark.line) + 1

    @property
    def column(self) -> int:
        return int(self.node.start_mark.column) + 1

    @property
    def at(self) -> tuple[int, int]:
        return self.line, self.column

    def wrong(self, message: str) -> NoReturn:
        raise FlowError(self.file, self.line, self.column, self.screen, message)

    def of(self, node: Node, screen: str | None = None) -> YamlNode:
        return YamlNode(self.file, self.screen if screen is None else screen, node)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, MappingNode)

    def text(self) -> str:
        if not isinstance(self.node, ScalarNode):
            self.wrong("words are expected here; write one text")
        return str(self.node.value).removesuffix("\n")

    def value(self) -> str | None:
        """A code, or None where `null` is written without quotes."""
        text = self.text()
        plain = isinstance(self.node, ScalarNode) and not self.node.style
        return None if plain and text in ("null", "~", "") else text

    def flag(self) -> bool:
        if (text := self.text()) not in ("true", "false"):
            self.wrong(f"{text!r} is neither true nor false; write one of them")
        return text == "true"

    def whole(self) -> int:
        text = self.text()
        if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) > 0):
            self.wrong(f"{text!r} is no whole number from 1; write digits")
        return int(text)

    def items(self) -> list[YamlNode]:
        """The parts of a list; one thing alone is a list of one."""
        if isinstance(self.node, SequenceNode):
            return [self.of(node) for node in self.node.value]
        return [self]

    def pairs(self) -> Iterator[tuple[YamlNode, YamlNode]]:
        if not isinstance(self.node, MappingNode):
            self.wrong("names with values are expected here; write `name: value`")
        seen: set[str] = set()
        for key, value in self.node.value:
            if (name := self.of(key).text()) in seen:
                self.of(key).wrong(f"{name!r} stands here twice; keep one of them")
            seen.add(name)
            yield self.of(key), self.of(value)

    def keys(self, known: Collection[str]) -> dict[str, YamlNode]:
        """The values by name; any name but the known ones is refused."""
        found = {}
        for key, value in self.pairs():
            if (name := key.text()) not in known:
                key.wrong(f"{name!r} is not known here; use one of: {', '.join(sorted(known))}")
            found[name] = value
        return found


def compose(file: str, text: str) -> YamlNode:
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise FlowError(file, line, column, "", f"this is no YAML ({wrong.problem}); mend that line") from None
    except YAMLError as wrong:
        raise FlowError(file, 1, 1, "", f"this is no YAML ({type(wrong).__name__}); mend the file") from None
    if node is None:
        raise FlowError(file, 1, 1, "", "the file is empty; begin it with `flow:`")
    return YamlNode(file, "", node)
