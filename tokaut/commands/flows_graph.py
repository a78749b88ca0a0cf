"""`tokaut flows graph`: a picture of each flow as Mermaid text, which forges draw inside Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from flows import catalogues, loader
from flows.authoring.graph import FlowGraph, mermaid
from flows.authoring.graph import build_graph as graph_of
from flows.authoring.paths import StateGraph, explore
from flows.dependencies import dependencies_of
from flows.model import FlowBook
from reports.countries.country import load_countries
from runtime.settings import Mode
from tokaut.documents.files import write_documents
from tokaut.screens.combinations import LIMITS, combination, menu_languages
from tokaut.terminal import CommandError, echo

EXAMPLE_COUNTRY = "vu"


def explored(book: FlowBook) -> list[StateGraph]:
    """Explore all paths in English, in the example country, and return a graph for each channel."""
    by_tag = catalogues.shipped()
    country = next(iter(load_countries([EXAMPLE_COUNTRY], Mode.DEMO)))
    languages = menu_languages(country, by_tag)
    dependencies = dependencies_of(book)
    combinations = [combination(book, country, by_tag["en"], channel, languages) for channel in LIMITS]
    return [explore(book, dependencies, replace(where, phone_lines=where.phone_lines[:1])) for where in combinations]


def flow_graphs(book: FlowBook) -> Mapping[str, FlowGraph]:
    """Return the graph of each flow by name."""
    state_graphs = explored(book)
    return {name: graph_of(book, name, state_graphs) for name in book.flows}


@click.command()
@click.argument("flow", required=False)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="A folder: a Markdown page for each flow."
)
@click.option(
    "--flow-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder of flows of your own."
)
def graph(*, flow: str | None, out: Path | None, flow_dir: Path | None) -> None:
    """Draw a flow as Mermaid text: its screens, and which key leads where.

    Every arrow is a reply that was really tried: in English, with Vanuatu's numbers, by USSD and SMS.

    \b
    Example:  tokaut flows graph report                  the text of one flow
              tokaut flows graph report --out mine       mine/report.md, a page with the picture
              tokaut flows graph --out docs/flows        all of them, as in the docs

    Next: push the pages; GitHub and GitLab show them as pictures, and so does an editor with a Mermaid preview. For an
    SVG, give the text to a Mermaid program; docs/flows/README.md names two.
    """
    book = loader.load(flow_dir or loader.FOLDER)
    if flow is None and out is None:
        raise CommandError(f"Name a flow, or a folder with --out. There are: {', '.join(book.flows)}")
    selected = None if flow is None else flow_name(book, flow)
    graphs = {name: flow_graph for name, flow_graph in flow_graphs(book).items() if selected in (None, name)}
    if out is None:
        echo(mermaid(next(iter(graphs.values()))), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    texts = {out / name: text for name, text in graph_files(graphs).items()}
    write_documents(texts)
    for path in texts:
        echo(path)


def flow_name(book: FlowBook, given: str) -> str:
    """Return a flow's name from its name or the name of its file. Raises CommandError."""
    by_file = {flow.file.removesuffix(".yaml"): name for name, flow in book.flows.items()}
    base_name = given.rpartition("/")[2].removesuffix(".yaml")
    name = base_name if base_name in book.flows else by_file.get(base_name)
    if name is None:
        names = [f"{flow_id} (file {file}.yaml)" if file != flow_id else flow_id for file, flow_id in by_file.items()]
        raise CommandError(f"There is no flow {given}. There are: {', '.join(names)}")
    return name


def graph_files(drawn: Mapping[str, FlowGraph]) -> dict[str, str]:
    """Return the file name and the text of each Markdown page."""
    return {
        f"{name}.md": f"# {name}, version {flow_graph.version}\n\n"
        f"Made by `tokaut flows graph`. Do not edit.\n\n```mermaid\n{mermaid(flow_graph)}```\n"
        for name, flow_graph in drawn.items()
    }
