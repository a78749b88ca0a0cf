"""`tokaut flows graph`: a picture of each flow, as SVG for people and as Mermaid for pages that draw it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from flows import loader
from flows.authoring.graph import FlowGraph, mermaid
from flows.authoring.graph import build_graph as graph_of
from flows.authoring.graph_svg import graph_svg
from flows.authoring.paths import explore
from flows.dependencies import dependencies_of
from flows.model import FlowBook
from flows.parser.yaml_nodes import FlowError
from reports.countries.country import load_countries
from tokaut.cli import CommandError
from tokaut.screens.combinations import LIMITS, combination, load_catalogues, menu_languages
from tokaut.terminal import echo

EXAMPLE_COUNTRY = "vu"  # the country of the examples
RENDERERS = {"svg": graph_svg, "mermaid": mermaid}
FILE_ENDINGS = {"svg": "svg", "mermaid": "mmd"}


def flow_graphs(book: FlowBook) -> Mapping[str, FlowGraph]:
    """By flow; in English, as walked in one country by each channel."""
    known = load_catalogues()
    country = next(iter(load_countries([EXAMPLE_COUNTRY], "demo")))
    languages = menu_languages(country, known)
    looked_at = dependencies_of(book)
    lines = [combination(book, country, known["en"], channel, languages) for channel in LIMITS]
    walked = [explore(book, looked_at, replace(one, lines=one.lines[:1])) for one in lines]
    return {name: graph_of(book, name, walked) for name in book.flows}


@click.command()
@click.argument("flow", required=False)
@click.option("--svg", "form", flag_value="svg", default=True, help="For people; the default.")
@click.option("--mermaid", "form", flag_value="mermaid", help="For pages that draw it themselves.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="A folder: every flow, in both forms.")
@click.option(
    "--flow-dir", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder of flows of your own."
)
def graph(*, flow: str | None, form: str, out: Path | None, flow_dir: Path | None) -> None:
    """Draw a flow: its screens, and which key leads where.

    Drawn from what was walked, so that no arrow is in vain: in English, with Vanuatu's numbers, by USSD and SMS.

    \b
    Example:  tokaut flows graph report > report.svg
              tokaut flows graph more --mermaid
              tokaut flows graph --out docs/flows        all of them, as in the pages

    Next: open the picture in a browser. The arrows that are dashed go back to an earlier screen.
    """
    try:
        book = loader.load(flow_dir or loader.FOLDER)
    except FlowError as error:
        raise CommandError(str(error)) from None
    if flow is None and out is None:
        raise CommandError(f"Name a flow, or a folder with --out. There are: {', '.join(book.flows)}")
    wanted = None if flow is None else flow_name(book, flow)
    drawn = {name: one for name, one in flow_graphs(book).items() if wanted in (None, name)}
    if out is None:
        echo(RENDERERS[form](next(iter(drawn.values()))), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, words in graph_files(drawn).items():
        (out / name).write_text(words, encoding="utf-8")
        echo(out / name)


def flow_name(book: FlowBook, given: str) -> str:
    """Return the flow's name, from that or from the name of its file. Raises Plain."""
    by_file = {one.file.removesuffix(".yaml"): name for name, one in book.flows.items()}
    wanted = given.rpartition("/")[2].removesuffix(".yaml")
    name = wanted if wanted in book.flows else by_file.get(wanted)
    if name is None:
        also = [f"{one} (file {file}.yaml)" if file != one else one for file, one in by_file.items()]
        raise CommandError(f"There is no flow {given}. There are: {', '.join(also)}")
    return name


def graph_files(drawn: Mapping[str, FlowGraph]) -> dict[str, str]:
    """The name and content of each picture."""
    return {
        f"{name}.{FILE_ENDINGS[form]}": make(one) for name, one in drawn.items() for form, make in RENDERERS.items()
    }
