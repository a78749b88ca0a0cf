"""Parse flow files: YAML with positions, the parts of a screen, and topics of advice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NoReturn

from ruamel.yaml import YAML, MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from flows.model import (
    ALWAYS,
    FIELDS,
    Choice,
    Condition,
    GoTo,
    NameReference,
    Screen,
    ScreenText,
    Source,
    Topic,
    TypedInput,
    Variant,
)
from flows.pagination import (
    ACCEPTED_CARRIER_WORDS,
    CARRIER_WORDS,
    MORE,
    NAVIGATION_KEYS,
    PLACEHOLDER,
    fold,
    in_context,
    without_context,
)
from runtime.operator_error import OperatorError

MAX_TOPIC_PAGES = 2
REPORT_SCREEN = "report.danger"

ParsedTopics = tuple[tuple[Topic, ...], dict[str, Screen], dict[str, Source]]


# Read YAML as text with its position in the file.
#
# Each scalar is the text that it looks like, be it `no`, `12:30` or `1`. A key that is written twice is refused.


class FlowError(OperatorError):
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
        """Return the line in the file, from 1."""
        return int(self.node.start_mark.line) + 1

    @property
    def column(self) -> int:
        """Return the column in the file, from 1."""
        return int(self.node.start_mark.column) + 1

    @property
    def at(self) -> tuple[int, int]:
        """Return line and column."""
        return self.line, self.column

    def wrong(self, message: str) -> NoReturn:
        """Raise FlowError at this position."""
        raise FlowError(self.file, self.line, self.column, self.screen, message)

    def of(self, node: Node, screen: str | None = None) -> YamlNode:
        """Return another node of the same file, for the same screen by default."""
        return YamlNode(self.file, self.screen if screen is None else screen, node)

    @property
    def is_mapping(self) -> bool:
        """Return whether the node has names with values."""
        return isinstance(self.node, MappingNode)

    def text(self) -> str:
        """Return the text of a scalar. Raises FlowError for other nodes."""
        if not isinstance(self.node, ScalarNode):
            self.wrong("words are expected here; write one text")
        return str(self.node.value).removesuffix("\n")

    def value(self) -> str | None:
        """Return the text of a scalar; None for `null`, `~` or nothing without quotes. Raises FlowError as `text`."""
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

    def keys(self, allowed: Collection[str]) -> dict[str, YamlNode]:
        """Return the values by key. Raises FlowError for a key that is not in `allowed`."""
        values = {}
        for key, value in self.pairs():
            if (name := key.text()) not in allowed:
                key.wrong(f"{name!r} is not known here; use one of: {', '.join(sorted(allowed))}")
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


class ElementParser:
    """Parses the parts of the screens of one file, and collects the names that they use in `uses`.

    The methods that take a node raise FlowError at the first fault.
    """

    def __init__(self, flow: str) -> None:
        self.flow = flow
        self.uses: list[NameReference] = []

    def use(self, kind: str, name: str, place: YamlNode, *, if_there: bool = False) -> str:
        """Record a used name, to be checked when all flows are known, and return it."""
        self.uses.append(NameReference(kind, name, place.screen, place.line, place.column, if_there))
        return name

    def target(self, place: YamlNode, *, if_there: bool = False) -> str:
        """Parse the name of a screen; without a flow it is one of this file."""
        name = place.text()
        return self.use("screen", name if "." in name else f"{self.flow}.{name}", place, if_there=if_there)

    def words(self, place: YamlNode | None, *, label: bool = False) -> ScreenText:
        """Parse a text or a list of variants; the last one must have no condition.

        `context:` beside a text separates it from the same English text with another meaning (gettext's msgctxt).
        """
        if place is None:
            return ScreenText()
        variants = tuple(self.variant(item, label) for item in place.items())
        if variants[-1].when != ALWAYS:
            place.items()[-1].wrong("the last variant has a condition; end with one that has none")
        return ScreenText(variants)

    def variant(self, place: YamlNode, label: bool) -> Variant:
        """Parse one variant of a text."""
        if not place.is_mapping:
            return Variant(ALWAYS, (self.checked_text(place, label),), place.at)
        parts = place.keys(["when", "say", "fits_first", "context"])
        if ("say" in parts) == ("fits_first" in parts):
            place.wrong("either `say:` or `fits_first:` is needed; write one of them")
        says = parts["fits_first"].items() if "fits_first" in parts else [parts["say"]]
        context = parts["context"].text() if "context" in parts else ""
        words = tuple(in_context(context, self.checked_text(text, label)) for text in says)
        return Variant(self.condition(parts.get("when")), words, place.at)

    def checked_text(self, place: YamlNode, label: bool) -> str:
        """Parse a text, and check its placeholders and, for a label, its words."""
        words = place.text()
        if not words.strip() or words != words.strip():
            place.wrong("words are missing here, or have blanks around them; write them without")
        for name in PLACEHOLDER.findall(words):
            if name not in FIELDS:
                place.wrong(f"{{{name}}} is not a field; use one of: {', '.join(sorted(FIELDS))}")
        if PLACEHOLDER.sub("", words).strip("{}") != PLACEHOLDER.sub("", words) or "{" in PLACEHOLDER.sub("", words):
            place.wrong("a brace stands alone; write {name} of a field, or no brace")
        if label:
            self.label(place, words, understood=frozenset())
        return words

    def label(self, place: YamlNode, words: str, understood: frozenset[str]) -> str:
        """Check a label or another word for a choice, and return it folded. `understood`: carrier words to accept."""
        folded = fold(words)
        if folded in CARRIER_WORDS - understood:
            place.wrong(f"{words!r} is a word that carriers answer themselves; choose another word")
        if folded in NAVIGATION_KEYS:
            place.wrong(f"{words!r} is a key of every screen; choose another word")
        return folded

    def beside(self, own: YamlNode | None, of_flow: YamlNode | None) -> ScreenText:
        """Parse the line above the words, which is shown while its condition holds: the screen's own, or its flow's.

        `beside: none` on a screen means that it has no such line.
        """
        place = own or of_flow
        if place is None or not (place.is_mapping or place.text() != "none"):
            return ScreenText()
        parts = place.of(place.node, own.screen if own else None).keys(["when", "say"])
        if parts.keys() != {"when", "say"}:
            place.wrong("`beside:` needs `when:` and `say:`; write both, or `none`")
        when = self.condition(parts["when"])
        # Ordered from the longest to the shortest.
        says = tuple(self.checked_text(text, label=False) for text in parts["say"].items())
        return ScreenText((Variant(when, says, place.at), Variant(ALWAYS, ("",), place.at)))

    def condition(self, place: YamlNode | None) -> Condition:
        """Parse a condition: {name: value, or [values], or null}. Of a list of these any may hold."""
        if place is None:
            return ALWAYS
        return Condition(tuple(self.all_of(item) for item in place.items()))

    def all_of(self, place: YamlNode) -> tuple[tuple[str, frozenset[str | None]], ...]:
        """Parse one alternative of a condition, all parts of which must hold."""
        clauses = []
        for name, values in place.pairs():
            self.use("name", name.text(), name)
            allowed = [value.value() for value in values.items()]
            for value, where in zip(allowed, values.items(), strict=True):
                if value is not None:
                    self.use("value", f"{name.text()}={value}", where)
            clauses.append((name.text(), frozenset(allowed)))
        return tuple(clauses)

    def gos(self, place: YamlNode | None) -> tuple[GoTo, ...]:
        """Parse where an answer leads: only the last `to:` has no condition."""
        if place is None:
            return ()
        gos = tuple(self.go(item) for item in place.items())
        if any(go.when == ALWAYS for go in gos[:-1]):
            place.wrong("what comes after a `to:` without `when:` is never reached; put that one last")
        if gos[-1].when != ALWAYS:
            place.wrong("nothing holds where no `when:` does; end with a `to:` that has none")
        return gos

    def go(self, place: YamlNode) -> GoTo:
        """Parse one target and its condition."""
        if not place.is_mapping:
            return GoTo(ALWAYS, self.target(place))
        parts = place.keys(["when", "to", "if_there"])
        if "to" not in parts:
            place.wrong("`to:` is missing; say which screen comes next")
        if_there = "if_there" in parts and parts["if_there"].flag()
        return GoTo(self.condition(parts.get("when")), self.target(parts["to"], if_there=if_there), if_there)

    def outcomes(self, place: YamlNode, go: YamlNode | None) -> dict[str, tuple[GoTo, ...]]:
        """Parse where each outcome of an effect leads."""
        if go is None or not go.is_mapping:
            place.wrong("an effect has outcomes; write `go:` as a map from each outcome to its screen")
        return {outcome.text(): self.gos(target) for outcome, target in go.pairs()}

    def choices(self, place: YamlNode, asks: bool) -> tuple[tuple[str, ...], tuple[Choice, ...]]:
        """Parse choices. Returns the names of lists from data, and the choices written in the file."""
        first = place.items()[0]
        if first.is_mapping and "from" in {key.text() for key, _ in first.pairs()}:
            parts = first.keys(["from", "last"])
            if len(place.items()) > 1:
                place.items()[1].wrong("choices from a list stand alone; put this one under its `last:`")
            lists = tuple(name.text() for name in parts["from"].items())
            return lists, self.choices(parts["last"], asks)[1] if "last" in parts else ()
        choices = [self.choice(item, str(number), asks) for number, item in enumerate(place.items(), 1)]
        self.distinct(place, choices)
        return (), tuple(choices)

    def distinct(self, place: YamlNode, choices: list[Choice]) -> None:
        """Check that no key, label or other word means two choices."""
        seen: set[str] = set()
        for choice, item in zip(choices, place.items(), strict=True):
            words = {choice.key, *choice.also, *_labels(choice.say)}
            if twice := seen & words:
                item.wrong(f"{sorted(twice)[0]!r} means two choices of this screen; change one of them")
            seen |= words

    def choice(self, place: YamlNode, key: str, asks: bool) -> Choice:
        """Parse one choice. `asks`: the screen has a question."""
        parts = place.keys(["say", "value", "key", "also", "when", "do", "go"])
        if "say" not in parts:
            place.wrong("a choice needs `say:`; write its label")
        if ("value" in parts) != asks:
            place.wrong("a choice has a `value:` where the screen has `ask:`, and only there; put that right")
        if "key" in parts and (
            (key := parts["key"].text()) in NAVIGATION_KEYS or not (key.isascii() and key.isdigit())
        ):
            parts["key"].wrong(f"{key!r} cannot be the key of an answer; use another number")
        do = parts["do"].text() if "do" in parts else None
        also = parts["also"].items() if "also" in parts else []
        return Choice(
            key=key,
            say=self.words(parts["say"], label=True),
            value=parts["value"].value() if "value" in parts else None,
            also=tuple(self.label(word, word.text(), ACCEPTED_CARRIER_WORDS) for word in also),
            when=self.condition(parts.get("when")),
            do=do,
            go=() if do else self.gos(parts.get("go")),
            outcomes=self.outcomes(place, parts.get("go")) if do else {},
            at=place.at,
        )

    def typed(self, place: YamlNode) -> TypedInput:
        """Parse how a screen accepts typed text."""
        parts = place.keys(["skip", "skip_line", "limit", "secret", "removed_by_back"])
        if "skip_line" in parts and "skip" not in parts:
            parts["skip_line"].wrong("`skip_line:` says how to skip; add `skip:` too")
        return TypedInput(
            skip=parts["skip"].text() if "skip" in parts else None,
            skip_line=self.words(parts.get("skip_line")),
            limit=parts["limit"].whole() if "limit" in parts else None,
            secret="secret" in parts and parts["secret"].flag(),
            removed_by_back="removed_by_back" in parts and parts["removed_by_back"].flag(),
        )


def _labels(screen_text: ScreenText) -> set[str]:
    return {fold(without_context(say)) for variant in screen_text.variants for say in variant.says}


# Parse the topics of a flow file into screens: advice on one or two pages, `98` between them, then the report.
#
# A topic must name the organisations that give the advice, and the date when it was last checked.


def parse_topics(
    parts: ElementParser, top: YamlNode, topics: YamlNode | None, sources: YamlNode | None
) -> ParsedTopics:
    """Return the topics of a file, their screens, and the sources at its end."""
    if topics is None:
        return (), {}, {}
    if sources is None:
        top.wrong("topics need `sources:` at the foot of the file; say who gives the advice")
    sources_by_name = {key.text(): _source(place) for key, place in sources.pairs()}
    parsed: list[Topic] = []
    screens: dict[str, Screen] = {}
    for key, place in topics.pairs():
        topic, pages = _topic(parts, key, place.of(place.node, f"{parts.flow}.{key.text()}"), sources_by_name)
        parsed.append(topic)
        screens |= pages
    if spare := sources_by_name.keys() - {name for topic in parsed for name in topic.sources}:
        sources.wrong(f"no topic names the source {sorted(spare)[0]}; take it out")
    return tuple(parsed), screens, sources_by_name


def _source(place: YamlNode) -> Source:
    fields = place.keys(["by", "grade", "at"])
    if missing := {"by", "grade", "at"} - fields.keys():
        place.wrong(f"`{sorted(missing)[0]}:` is missing; add it")
    return Source(fields["by"].text(), fields["grade"].text(), fields["at"].text())


def _topic(
    parts: ElementParser, key: YamlNode, place: YamlNode, sources_by_name: Mapping[str, Source]
) -> tuple[Topic, dict[str, Screen]]:
    fields = place.keys(["pages", "sources", "inferred", "checked"])
    if missing := {"pages", "sources", "checked"} - fields.keys():
        place.wrong(f"`{sorted(missing)[0]}:` is missing; add it")
    for source in fields["sources"].items():
        if source.text() not in sources_by_name:
            source.wrong(f"{source.text()} is not a source of this file; add it under `sources:`")
    pages = fields["pages"].items()
    if len(pages) > MAX_TOPIC_PAGES:
        pages[MAX_TOPIC_PAGES].wrong(f"a topic has at most {MAX_TOPIC_PAGES} pages; say less")
    names = [f"{parts.flow}.{key.text()}" + (f"-{n}" if n > 1 else "") for n in range(1, len(pages) + 1)]
    onward = [*(_more_choice(name) for name in names[1:]), _report_choice(parts, place)]
    screens = {
        name: Screen(id=name, line=page.line, column=page.column, words=parts.words(page), choices=(choice,))
        for name, page, choice in zip(names, pages, onward, strict=True)
    }
    inferred = fields["inferred"].text() if "inferred" in fields else ""
    sources = tuple(source.text() for source in fields["sources"].items())
    return Topic(names[0], tuple(names), sources, _date(fields["checked"]), inferred), screens


def _date(place: YamlNode) -> str:
    try:
        return date.fromisoformat(place.text()).isoformat()
    except ValueError:
        place.wrong(f"{place.text()!r} is not a valid date; write one like 2026-11-25")


def _more_choice(to: str) -> Choice:
    return Choice("98", ScreenText((Variant(ALWAYS, (MORE,)),)), go=(GoTo(ALWAYS, to),))


def _report_choice(parts: ElementParser, place: YamlNode) -> Choice:
    parts.use("screen", REPORT_SCREEN, place)
    return Choice("1", ScreenText((Variant(ALWAYS, ("Report",)),)), go=(GoTo(ALWAYS, REPORT_SCREEN),))
