"""`tokaut readiness`: what stands in each country and what is missing, for people who decide where to begin."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

import locales
from flows import catalogues
from reports.countries import country
from reports.countries.country import CountryError, shipped_countries
from reports.countries.readiness import STATUS_MARKS, readiness_items
from tokaut.cli import CommandError
from tokaut.documents.readiness_page import CountrySheet, readiness_html
from tokaut.terminal import echo


@click.command()
@click.option("--country", "isos", multiple=True, metavar="vu", help="This one; may be repeated. Else all.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to print there.")
def readiness(isos: Sequence[str], out: Path | None) -> None:
    """Law, reporting, hotline, police, languages, numbers: what each country has, and what is missing.

    By the country files, with their sources. The page is for a meeting: a table over all countries, a sheet for each.

    \b
    Example:  tokaut readiness --country vu --out vanuatu.html

    Next: `tokaut check --country vu` says what to do first, step by step.
    """
    try:
        found = country_sheets(isos)
    except CountryError as error:
        raise CommandError(str(error)) from None
    if out is None:
        for of, stand in found:
            echo(of.name)
            for one in stand:
                echo(f"  {STATUS_MARKS[one.status]} {one.title:<28}{one.short}")
        return
    try:
        out.write_text(readiness_html(found, f"Made on {time.strftime('%Y-%m-%d', time.gmtime())}"), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{out} cannot be written ({error.strerror}). Name a file in a folder of yours.") from None
    echo(f"{out}: {len(found)} {'country' if len(found) == 1 else 'countries'}. Open it in a browser, or print it.")


def country_sheets(isos: Sequence[str] = ()) -> list[CountrySheet]:
    """By name. Raises CountryError."""
    names = isos or shipped_countries()
    known = catalogues.load(locales.FOLDER)
    loaded = sorted(country.load_countries(names, "demo"), key=lambda one: one.name)
    return [(one, readiness_items(one, *catalogues.reviewed_and_drafts(one.languages, known))) for one in loaded]
