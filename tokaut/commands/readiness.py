"""`tokaut readiness`: the items that each country has and lacks, for people who decide where to begin."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

import locales
from flows import catalogues, loader
from reports.countries import country
from reports.countries.country import shipped_countries
from reports.countries.readiness import STATUS_MARKS, readiness_items
from reports.countries.validation import TRANSLATED_WORDS
from runtime.settings import Mode
from tokaut.documents.files import write_page
from tokaut.documents.pages import CountrySheet, readiness_html
from tokaut.terminal import echo


@click.command()
@click.option(
    "--country", "isos", multiple=True, metavar="vu", help="Only this country; may be repeated (default: all)."
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to print there.")
def readiness(isos: Sequence[str], out: Path | None) -> None:
    """Show what each country has and lacks: law, reporting, hotline, police, languages, numbers.

    It comes from the country files, with their sources. The page is for a meeting: a table of all countries, and a
    sheet for each.

    \b
    Example:  tokaut readiness --country vu --out vanuatu.html

    Next: `tokaut check --country vu` says what to do first, step by step.
    """
    sheets = country_sheets(isos)
    if out is None:
        for sheet_country, items in sheets:
            echo(sheet_country.name)
            for item in items:
                echo(f"  {STATUS_MARKS[item.status]} {item.title:<28}{item.summary}")
        return
    page = readiness_html(sheets, f"Made on {time.strftime('%Y-%m-%d', time.gmtime())}")
    write_page(out, page, "Name a file in a folder of yours.")
    echo(f"{out}: {len(sheets)} {'country' if len(sheets) == 1 else 'countries'}. Open it in a browser, or print it.")


def country_sheets(isos: Sequence[str] = ()) -> list[CountrySheet]:
    """Return the sheets of these countries, or of all shipped ones, sorted by name. Raises CountryError."""
    names = isos or shipped_countries()
    catalogues_by_tag = catalogues.load(locales.FOLDER)
    needed = catalogues.needed_messages(loader.load(), TRANSLATED_WORDS)
    loaded = sorted(country.load_countries(names, Mode.DEMO), key=lambda loaded_country: loaded_country.name)
    return [
        (
            loaded_country,
            readiness_items(
                loaded_country, *catalogues.signed_and_drafts(loaded_country.languages, catalogues_by_tag, needed)
            ),
        )
        for loaded_country in loaded
    ]
