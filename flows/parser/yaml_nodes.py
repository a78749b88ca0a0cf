"""Read YAML as text with its position in the file.

Each scalar is the text that it looks like, be it `no`, `12:30` or `1`. A key that is written twice is refused (B-66,
B-67).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

from ruamel.yaml import YAML, MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.error import MarkedYAMLError, YAMLError


class FlowError(Exception):
    """A flow file that cannot be used. str() is "file:line:column: screen: fault; what to do"."""

    def __init__(self, file: str, line: int, column: int, screen: str, message: str) -> None:
        self.file, self.line, self.column, self.screen, self.message = file, line, column, screen, message
        where = f"{file}:{line}:{column}: "
        super().__init__(where + (f"{screen}: {message}" if screen else message))


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A node of the file, and the screen it belongs to."""

    file: str
    screen: str
    node: Node

    @property
    def line(self) -> int:
        """The line in the file, from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def column(self) -> int:
        """The column in the file, from 1."""
        return int(self.node.start_mark.column) + 1

    @property
    def at(self) -> tuple[int, int]:
        """Line and column."""
        return self.line, self.column

    def wrong(self, message: str) -> NoReturn:
        """Raise FlowError at this position."""
        raise FlowError(self.file, self.line, self.column, self.screen, message)

    def of(self, node: Node, screen: str | None = None) -> YamlNode:
        """Return another node of the same file, for the same screen by default."""
        return YamlNode(self.file, self.screen if screen is None else screen, node)

    @property
    def is_mapping(self) -> bool:
        """Whether the node has names with values."""
        return isinstance(self.node, MappingNode)

    def text(self) -> str:
        """Return the text of a scalar. Raises FlowError for other nodes."""
        if not isinstance(self.node, ScalarNode):
            self.wrong("words are expected here; write one text")
        return str(self.node.value).removesuffix("\n")

    def value(self) -> str | None:
        """Return a code, or None for `null` without quotes."""
        text = self.text()
        plain = isinstance(self.node, ScalarNode) and not self.node.style
        return None if plain and text in ("null", "~", "") else text

    def flag(self) -> bool:
        """Return true or false. Raises FlowError for any other text."""
        if (text := self.text()) not in ("true", "false"):
            self.wrong(f"{text!r} is neither true nor false; write one of them")
        return text == "true"

    def whole(self) -> int:
        """Return a whole number from 1. Raises FlowError for any other text."""
        text = self.text()
        if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) > 0):
            self.wrong(f"{text!r} is not a whole number of 1 or more; write digits")
        return int(text)

    def items(self) -> list[YamlNode]:
        """Return the items of a list; any other node is a list of one."""
        if isinstance(self.node, SequenceNode):
            return [self.of(node) for node in self.node.value]
        return [self]

    def pairs(self) -> Iterator[tuple[YamlNode, YamlNode]]:
        """Yield the keys and values of a mapping. Raises FlowError for other nodes and for duplicate keys."""
        if not isinstance(self.node, MappingNode):
            self.wrong("names with values are expected here; write `name: value`")
        seen: set[str] = set()
        for key, value in self.node.value:
            if (name := self.of(key).text()) in seen:
                self.of(key).wrong(f"{name!r} stands here twice; keep one of them")
            seen.add(name)
            yield self.of(key), self.of(value)

    def keys(self, known: Collection[str]) -> dict[str, YamlNode]:
        """Return the values by key. Raises FlowError for a key that is not in `known`."""
        values = {}
        for key, value in self.pairs():
            if (name := key.text()) not in known:
                key.wrong(f"{name!r} is not known here; use one of: {', '.join(sorted(known))}")
            values[name] = value
        return values


def compose(file: str, text: str) -> YamlNode:
    """Parse the YAML of a file into its root node. Raises FlowError."""
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise FlowError(file, line, column, "", f"this is not valid YAML ({error.problem}); fix that line") from None
    except YAMLError as error:
        raise FlowError(file, 1, 1, "", f"this is not valid YAML ({type(error).__name__}); fix the file") from None
    if node is None:
        raise FlowError(file, 1, 1, "", "the file is empty; begin it with `flow:`")
    return YamlNode(file, "", node)
