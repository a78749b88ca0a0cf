"""`tokaut flows graph`: a picture of each flow, as SVG for people and as Mermaid for pages that draw it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from flows import parse
from flows.graph import Graph, mermaid
from flows.graph import graph as graph_of
from flows.model import Book
from flows.picture import svg
from flows.reader import FlowError
from flows.uses import uses
from flows.walking import walk
from reports.countries.country import load_countries
from tokaut.lines import LIMITS, catalogues, line, spoken
from tokaut.plain import Plain
from tokaut.terminal import echo

DRAWN_IN = "vu"  # the country of the examples
FORMS = {"svg": svg, "mermaid": mermaid}
ENDING = {"svg": "svg", "mermaid": "mmd"}


def graphs(book: Book) -> Mapping[str, Graph]:
    """By flow; in English, as walked in one country by each channel."""
    known = catalogues()
    country = next(iter(load_countries([DRAWN_IN], "demo")))
    languages = spoken(country, known)
    looked_at = uses(book)
    lines = [line(book, country, known["en"], channel, languages) for channel in LIMITS]
    walked = [walk(book, looked_at, replace(one, lines=one.lines[:1])) for one in lines]
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
        book = parse.load(flow_dir or parse.FOLDER)
    except FlowError as error:
        raise Plain(str(error)) from None
    if flow is None and out is None:
        raise Plain(f"Name a flow, or a folder with --out. There are: {', '.join(book.flows)}")
    wanted = None if flow is None else named(book, flow)
    drawn = {name: one for name, one in graphs(book).items() if wanted in (None, name)}
    if out is None:
        echo(FORMS[form](next(iter(drawn.values()))), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, words in files(drawn).items():
        (out / name).write_text(words, encoding="utf-8")
        echo(out / name)


def named(book: Book, given: str) -> str:
    """Return the flow's name, from that or from the name of its file. Raises Plain."""
    by_file = {one.file.removesuffix(".yaml"): name for name, one in book.flows.items()}
    wanted = given.rpartition("/")[2].removesuffix(".yaml")
    name = wanted if wanted in book.flows else by_file.get(wanted)
    if name is None:
        also = [f"{one} (file {file}.yaml)" if file != one else one for file, one in by_file.items()]
        raise Plain(f"There is no flow {given}. There are: {', '.join(also)}")
    return name


def files(drawn: Mapping[str, Graph]) -> dict[str, str]:
    """The name and content of each picture."""
    return {f"{name}.{ENDING[form]}": make(one) for name, one in drawn.items() for form, make in FORMS.items()}
