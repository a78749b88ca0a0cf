"""Parse the topics of a flow file into screens: advice on one or two pages, `98` between them, then the report.

A topic must name the organisations that give the advice, and the date when it was last checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from flows.model import ALWAYS, Choice, GoTo, Screen, ScreenText, Source, Topic, Variant
from flows.parser.elements import ElementParser
from flows.parser.yaml_nodes import YamlNode
from flows.text import MORE

MAX_TOPIC_PAGES = 2
REPORT_SCREEN = "report.danger"

ParsedTopics = tuple[tuple[Topic, ...], dict[str, Screen], dict[str, Source]]


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
