"""`tokaut prompts`: which recordings the calls of a language need, have, and no longer use."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

import locales
from flows import loader
from flows.catalogues import ENGLISH, Catalogue, load
from gateway.conversation.context import CountryContext
from gateway.conversation.spoken_texts import spoken_texts
from gateway.messaging.speech import Recordings, fragment_id, fragments
from reports.countries.country import Country, load_countries, shipped_countries
from reports.countries.language_names import language_name
from runtime.hardening import harden
from runtime.settings import Mode, PromptSettings, load_settings
from tokaut.documents.files import write_page
from tokaut.documents.prompt_sheet import SpokenScreen, prompt_sheet_html
from tokaut.screens.combinations import menu_languages
from tokaut.screens.review import ReviewPage, catalogue_version, review_screens
from tokaut.terminal import CommandError, CommandGroup, echo


@click.group(cls=CommandGroup)
def prompts() -> None:
    """List the recordings for calls: needed, there, and no longer used.

    \b
    Example:  tokaut prompts check bi --country vu
              tokaut prompts script bi --country vu > bi.csv
              tokaut prompts sheet bi --country vu
    """
    harden()


@dataclass(frozen=True, slots=True)
class _Prompts:
    """The recordings of a language. `needed`: id → text. `stale`: files whose text no country says any more."""

    needed: dict[str, str]
    missing: dict[str, str]
    stale: tuple[str, ...]


_folder = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of recordings (default: TOKAUT_PROMPTS).",
)
_country = click.option("--country", metavar="ISO", help="Only this country (default: all that speak the language).")


@prompts.command()
@click.argument("tag")
@_country
@_folder
def check(tag: str, country: str | None, folder: Path | None) -> None:
    """Compare the recordings of a language with what calls say; exit status 1 if one is missing or stale.

    A recording is named after its text. If the English text or the translation changes, the old recording is stale and
    a new one is missing, and the language is not offered on calls until it is there.

    \b
    Example:  tokaut prompts check bi --country vu --folder /srv/tokaut/prompts
    """
    found = _prompts(tag, country, folder)
    for id_, text in found.missing.items():
        echo(f"  missing  {id_}  {text}")
    for name in found.stale:
        echo(f"  stale    {name}")
    recorded = len(found.needed) - len(found.missing)
    echo(f"{recorded} of {len(found.needed)} recordings are there, {len(found.stale)} are stale.")
    if found.missing or found.stale:
        raise SystemExit(1)


@prompts.command()
@click.argument("tag")
@_country
@click.option("--all", "everything", is_flag=True, help="Include texts that are already recorded.")
@_folder
def script(tag: str, country: str | None, everything: bool, folder: Path | None) -> None:
    """Print what has to be recorded, as CSV: the name of the file without its ending, and the text to read aloud.

    \b
    Example:  tokaut prompts script bi --country vu > bi.csv

    Next: docs/prompts.md says how to record, and who has to listen before anybody may hear it.
    """
    found = _prompts(tag, country, folder)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("file", "text"))
    table.writerows((found.needed if everything else found.missing).items())
    echo(text.getvalue().rstrip())


@prompts.command()
@click.argument("tag")
@click.option("--country", metavar="ISO", help="Country of the sheet (default: the first that speaks the language).")
@_folder
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; prompts-bi-vu.html.")
def sheet(tag: str, country: str | None, folder: Path | None, out: Path | None) -> None:
    """Write every screen that a call speaks, in the order of a call, with its recordings, as one page to sign.

    It is for the two people who must listen before a language is offered on calls. The recordings are in the page; it
    has no script, plays nothing by itself and loads nothing from the network. What is not recorded is named.

    \b
    Example:  tokaut prompts sheet bi --country vu --folder /srv/tokaut/prompts

    Next: send it to them, and keep what they have signed with the recordings. docs/prompts.md says what they look for.
    """
    found = _prompts(tag, country, folder)
    of, catalogues = _countries(tag, country)[0], load(locales.FOLDER)
    folder = folder or load_settings(PromptSettings, os.environ).prompts
    name, recorded = language_name(tag), len(found.needed) - len(found.missing)
    path = out or Path(f"prompts-{tag}-{of.iso.lower()}.html")
    try:
        text = prompt_sheet_html(
            title=f"{name} for {of.name}: to listen to and to sign",
            tag=tag,
            facts=[
                ("Country file", of.label),
                ("Recorded", f"{recorded} of {len(found.needed)} pieces"),
                ("Printed", f"{datetime.now(UTC):%Y-%m-%d}"),
            ],
            screens=_spoken_screens(of, catalogues[tag]),
            others=tuple(found.needed.values()),
            recordings=Recordings.load(folder),
            folder=folder or Path(),
            version=catalogue_version(tag),
        )
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be read ({error.strerror}).") from None
    write_page(path, text, "Name another file: --out FILE")
    echo(f"{path}: {recorded} of {len(found.needed)} pieces are recorded. Open it in a browser, and listen.")


def _spoken_screens(country: Country, language: Catalogue) -> tuple[SpokenScreen, ...]:
    screens = review_screens(loader.load(), country, language)
    return tuple(
        SpokenScreen(one.screen, _pages(one.english), _pages(one.own)) for one in screens if "voice" in one.channels
    )


def _pages(pages: Iterable[ReviewPage]) -> str:
    return "\n".join(page.text for page in pages)


def _prompts(tag: str, iso: str | None, folder: Path | None) -> _Prompts:
    catalogues = load(locales.FOLDER)
    if tag not in catalogues:
        raise CommandError(f"There is no language {tag} in locales/. There are: {', '.join(sorted(catalogues))}.")
    countries = _countries(tag, iso)
    texts = [text for country in countries for text in _texts(country, catalogues[tag], catalogues)]
    folder = folder or load_settings(PromptSettings, os.environ).prompts
    recordings = Recordings.load(folder)
    needed = {fragment_id(text): text for text in fragments(texts)}
    files = recordings.files.get(tag, {})
    return _Prompts(
        needed,
        {id_: text for id_, text in needed.items() if id_ not in files},
        tuple(sorted(name for id_, name in files.items() if id_ not in needed)) if iso is None else (),
    )


def _countries(tag: str, iso: str | None) -> Sequence[Country]:
    countries = [
        country
        for country in load_countries(shipped_countries(), Mode.DEMO)
        if tag in (ENGLISH, *country.languages) and (iso is None or country.iso == iso.upper())
    ]
    if not countries:
        raise CommandError(f"No country speaks {tag}." if iso is None else f"{iso.upper()} does not speak {tag}.")
    return countries


def _texts(country: Country, language: Catalogue, catalogues: dict[str, Catalogue]) -> tuple[str, ...]:
    context = CountryContext.of(country, language, menu_languages(country, catalogues))
    return tuple(spoken_texts(loader.load(), context))
