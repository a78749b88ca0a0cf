"""The graph of a flow as Mermaid text: every screen, every reply, and no text that Mermaid could read as syntax."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.authoring.graph import FlowGraph, GraphEdge, GraphNode, build_graph, mermaid
from flows.authoring.paths import StateGraph
from gateway.conversation.spoken_texts import FOR_RECORDINGS
from tests.flows.phone import book
from tokaut.commands.flows_graph import explored

# Mermaid's own syntax, and labels with only letters, harmless signs and entity codes.
LABEL = r"(?:[^\W\d]|\d|[ .,:;?!'()/+→…-]|#\d+;|</?[bi]>|<br>)+"
NODE = re.compile(rf'  n\d+(?:\["{LABEL}"\]|\(\["{LABEL}"\]\)|\[\["{LABEL}"\]\])')
EDGE = re.compile(rf'  n\d+ -->(?:\|"{LABEL}"\|)? n\d+')


@cache
def walked() -> list[StateGraph]:
    return explored(book())


@cache
def graphs() -> Mapping[str, FlowGraph]:
    return {name: build_graph(book(), name, walked()) for name in book().flows}


def drawn_nodes(text: str) -> dict[str, str]:
    """Return the label of each screen by its name."""
    labels = re.findall(r'^  n\d+[\[(]+"(.*)"', text, re.M)
    return {label.partition("</b>")[0].removeprefix("<b>"): label for label in labels}


def drawn_edges(text: str) -> dict[tuple[str, str], str]:
    """Return the label of each arrow by the names of its screens."""
    names = dict(zip(re.findall(r"^  (n\d+)[\[(]", text, re.M), drawn_nodes(text), strict=True))
    edges = re.findall(r'^  (n\d+) -->\|"(.*)"\| (n\d+)$', text, re.M)
    return {(names[at], names[to]): label for at, label, to in edges}


def shown(label: str) -> str:
    """Return a label as Mermaid shows it."""
    return re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label)


@pytest.mark.parametrize("flow", book().flows)
def test_every_screen_has_a_box_with_its_choices_and_the_condition(flow: str) -> None:
    drawn = drawn_nodes(mermaid(graphs()[flow]))
    never_shown = {"law.unknown", "more.place", "my.contact_end"}  # in the example country
    never_shown |= {
        f"contact_request.{name}" for name in ("ask", "no_call", "no_number")
    }  # its home screen offers no call
    never_shown |= FOR_RECORDINGS  # only in calls
    names = [name for name in book().flows[flow].screens if name not in never_shown]
    assert list(drawn) == [name.partition(".")[2] for name in names]
    for node in graphs()[flow].nodes:
        texts = [*node.words.split("\n"), *node.choices, f"if {node.only}" if node.only else "", *node.exits]
        label = re.sub(r"<[^>]+>", "", shown(drawn[node.name].replace("<br>", "")))
        assert label == node.name + "".join(texts)


@pytest.mark.parametrize("flow", book().flows)
def test_every_reply_that_was_tried_is_an_arrow_or_names_the_other_flow(flow: str) -> None:
    text = mermaid(graphs()[flow])
    nodes, edges, found = drawn_nodes(text), drawn_edges(text), set()
    for ways in walked():
        for key, replies in ways.transitions.items():
            at_flow, _, at = ways.nodes[key].state.screen.partition(".")
            for to in {ways.nodes[reply.to].state.screen for reply in replies if not reply.back and at_flow == flow}:
                to_flow, _, name = to.partition(".")
                if to_flow == flow:
                    found.add((at, name))
                else:
                    assert f" → {to}" in nodes[at]
    assert set(edges) == found
    assert all(edges.values())


def test_an_arrow_has_the_keys_that_lead_on() -> None:
    labels = drawn_edges(mermaid(graphs()["report"]))
    assert labels["danger", "category"] == "2-4"
    assert labels["category", "about"] == "1, 3, 4, 6-9"
    assert labels["contact", "send"] == "any"
    assert labels["send", "sent_sms"] == "1: sent SMS"


def test_words_with_a_number_are_no_choice() -> None:
    assert "and with whom? (1 of 5)<br>1 Yes, mostly" in drawn_nodes(mermaid(graphs()["tips_parents"]))["five_1"]


def test_boxes_differ_where_a_conversation_begins_and_ends() -> None:
    lines = mermaid(flow(node("a", start=True), node("b"), node("c", end=True))).splitlines()
    assert lines[1:] == ['  n0[["<b>a</b>"]]', '  n1["<b>b</b>"]', '  n2(["<b>c</b>"])']


@pytest.mark.parametrize(
    ("screens", "arrows", "direction"),
    [
        ("abcdef", "ab bc cd de ef fa", "TD"),  # a circle
        ("abcd", "ab ac ad", "TD"),
        ("abcdefgh", "ab ac ad ae af ag ah", "LR"),  # a menu
        ("abcd", "", "LR"),  # notices
        ("abcd", "aa bb cc dd", "LR"),
        ("", "", "TD"),
    ],
)
def test_a_flow_that_is_wide_is_drawn_from_left_to_right(screens: str, arrows: str, direction: str) -> None:
    edges = [GraphEdge(at, to, "1") for at, to in arrows.split()]
    assert mermaid(flow(*map(node, screens), edges=edges)).startswith(f"flowchart {direction}\n")


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ('Say "no"', "Say #34;no#34;"),
        ("*111#", "#42;111#35;"),
        ("<script>&lt;", "#60;script#62;#38;lt;"),
        ("%%{init: {}}%%", "#37;#37;#123;init: #123;#125;#125;#37;#37;"),
        ("one\n\ttwo \t\\nthree", "one<br>two #92;nthree"),
        ("`code` $$x$$ [a] | b", "#96;code#96; #36;#36;x#36;#36; #91;a#93; #124; b"),
        ("style:<b> classDef:#", "#115;tyle:#60;b#62; #99;lassDef:#35;"),
        ("wrong direction LR", "wrong #100;irection LR"),
        ("end --> ไทย é", "end --#62; ไทย é"),
    ],
)
def test_signs_of_mermaid_html_and_markdown_are_entity_codes(words: str, written: str) -> None:
    assert f'"<b>a</b><br>{written}"' in mermaid(flow(node("a", words=words)))


@given(st.text(), st.text())
def test_no_text_can_break_the_syntax(words: str, label: str) -> None:
    drawn = flow(
        node(words, words=words, choices=(words,), only=words, exits=(words,)), edges=[GraphEdge(words, words, label)]
    )
    _, box, arrow, *rest = mermaid(drawn).split("\n")
    assert NODE.fullmatch(box) and EDGE.fullmatch(arrow) and rest == [""]
    assert not re.search("style|classDef|direction", box + arrow)
    assert shown("".join(re.findall(r'"(.*)"', arrow))) == " ".join(label.split())


def node(
    name: str,
    *,
    words: str = "",
    choices: tuple[str, ...] = (),
    only: str = "",
    start: bool = False,
    end: bool = False,
    exits: tuple[str, ...] = (),
) -> GraphNode:
    return GraphNode(name, words, choices, only, end, start, exits)


def flow(*nodes: GraphNode, edges: list[GraphEdge] | None = None) -> FlowGraph:
    return FlowGraph("tea", 1, nodes, tuple(edges or ()))
