"""`tokaut locales`: what translators and reviewers need, and how far they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from flows import loader
from flows.authoring.catalogue_lint import all_catalogue_faults
from flows.catalogues import ENGLISH, Catalogue, load
from locales import FOLDER
from reports.countries.country import Countries, Country, load_countries, shipped_countries
from reports.countries.language_names import language_name
from runtime.hardening import harden
from tokaut.cli import CommandError, CommandGroup
from tokaut.documents.review_sheet import review_sheet_html
from tokaut.screens.coverage import CatalogueCoverage, ScreenCoverage, catalogue_coverage
from tokaut.screens.coverage import screen_coverage as lines_of
from tokaut.screens.review import ReviewScreen, catalogue_version, placeholder_fields, review_screens, shared_messages
from tokaut.terminal import echo

WIDTH = 118  # where it is no terminal that shows it
BAR = 20


@click.group(cls=CommandGroup)
def locales() -> None:
    """Look after the words of the screens in each language.

    \b
    Example:  tokaut locales coverage
              tokaut locales sheet bi
    """
    harden()


@locales.command()
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--json", "as_json", is_flag=True, help="All figures, for a program.")
def coverage(tags: tuple[str, ...], as_json: bool) -> None:
    """Say how much of each language is done and reviewed, and which screens do not fit.

    A screen does not fit where it needs more pages than the English one, or where its words are cut in two. Looked at
    is every form of every screen, in each country that speaks the language, by USSD and SMS: a page holds 160 septets,
    or 70 units where one letter is outside GSM-7. Faults of the files themselves come last: exit status 1.

    \b
    Example:  tokaut locales coverage
              tokaut locales coverage bi tpi
              tokaut locales coverage --json

    Next: docs/add-a-language.md says who has to read a language before anybody may see it.
    """
    book, known = loader.load(), load(FOLDER)
    wanted = _wanted(tags, known)
    countries = load_countries(shipped_countries(), "demo")
    shown = [one for one in countries if {*one.languages, ENGLISH} & set(wanted)]
    steps = track(shown, "Laying out every screen", console=Console(stderr=True), transient=True)
    lines = [line for one in steps for line in lines_of(book, [one], known) if line.language in wanted]
    words = [catalogue_coverage(tag, book) for tag in wanted]
    if as_json:
        echo(json.dumps(_figures(words, lines), indent=2, ensure_ascii=False))
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    _print(console, words, lines, _without(countries, known) if not tags else [])
    if wrong := [line for line in _faults() if line.startswith(tuple(f"locales/{tag}.po:" for tag in wanted))]:
        echo("\n".join(["", "To mend:", *(f"  x {line}" for line in wrong)]))
        raise SystemExit(1)


@locales.command()
@click.argument("tag")
@click.option("--country", metavar="ISO", help="In which country; without it, the first that speaks the language.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; sheet-bi-vu.html.")
def sheet(tag: str, country: str | None, out: Path | None) -> None:
    """Write every screen with English beside it, as one page to print, to correct and to sign.

    It is for the two people without whom no language goes live: one who grew up with it, one who works in the
    protection of children. The page has no script and asks for nothing on the network.

    \b
    Example:  tokaut locales sheet bi
              tokaut locales sheet sw --country ke --out swahili.html

    Next: open it in a browser, print it, and send it to them. docs/add-a-language.md says what to do with what comes
    back.
    """
    book, known = loader.load(), load(FOLDER)
    [tag] = _wanted((tag,), known)
    of, language, name = _where(tag, country), known[tag], language_name(tag)
    shown = review_screens(book, of, language)
    path = out or Path(f"sheet-{tag}-{of.iso.lower()}.html")
    text = review_sheet_html(
        of=of,
        language=language,
        name=name,
        facts=_facts(catalogue_coverage(tag, book), of, shown),
        readings=shown,
        words=shared_messages(language),
        fields=placeholder_fields(book, of, language),
        version=catalogue_version(tag),
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}). Name another file: --out FILE") from None
    echo(f"{path}: {len(shown)} screens in {name} as {of.name} shows them. Open it in a browser and print it.")


def _where(tag: str, country: str | None) -> Country:
    countries = load_countries(shipped_countries(), "demo")
    speaking = [one for one in countries if tag in one.languages]
    found = [one for one in speaking if country is None or one.iso == country.upper()]
    if not found:
        spoken = ", ".join(one.iso.lower() for one in speaking)
        raise CommandError(
            f"{language_name(tag)} is not among the languages of {country}; it is in {spoken or 'none'}."
        )
    return found[0]


def _facts(words: CatalogueCoverage, of: Country, shown: Sequence[ReviewScreen]) -> list[tuple[str, str]]:
    return [
        ("Language", f"{', '.join(dict.fromkeys((language_name(words.tag), words.name)))} ({words.tag})"),
        ("Country", f"{of.name}, its file of {of.as_of}"),
        ("Printed on", datetime.now(UTC).date().isoformat()),
        ("Version of the words", f"{catalogue_version(words.tag)}, Tokaut {metadata.version('tokaut')}"),
        ("Translated", f"{words.done} of {words.messages} messages; {len(shown)} screens below"),
        ("Read by", words.reviewed_by or "nobody yet"),
    ]


def _faults() -> list[str]:
    return list(
        all_catalogue_faults((file.stem, file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.po")))
    )


def _wanted(tags: Sequence[str], known: Mapping[str, Catalogue]) -> list[str]:
    if wrong := [tag for tag in tags if tag not in known]:
        raise CommandError(f"There is no catalogue for {', '.join(wrong)}; there are {', '.join(sorted(known))}.")
    return sorted(tags or known, key=lambda tag: (tag != ENGLISH, tag))


def _without(countries: Countries, known: Mapping[str, Catalogue]) -> list[str]:
    return sorted({tag for one in countries for tag in one.languages} - set(known))


def _figures(words: Iterable[CatalogueCoverage], lines: Sequence[ScreenCoverage]) -> dict[str, object]:
    return {
        "languages": [{**asdict(one), "reviewed": one.reviewed} for one in words],
        "lines": [asdict(line) for line in lines],
        "pages": sum(line.pages for line in lines),
    }


def _print(
    console: Console, words: Sequence[CatalogueCoverage], lines: Sequence[ScreenCoverage], without: Sequence[str]
) -> None:
    console.print(_languages(words))
    for one in words:
        if one.lacking:
            console.print(f"{one.name} is on no menu: not translated yet: {', '.join(one.lacking)}.", highlight=False)
    console.print(_phones(words, lines))
    unfit = [line for line in lines if line.unfit]
    if unfit:
        console.print(_screens(unfit))
    pages = sum(line.pages for line in lines)
    console.print(f"{pages:,} pages laid out; {sum(len(line.unfit) for line in unfit):,} screens do not fit.")
    if without:
        console.print(f"Languages of these countries without a catalogue: {', '.join(without)}.", highlight=False)


def _languages(words: Iterable[CatalogueCoverage]) -> Table:
    table = Table(title="Words", title_justify="left", title_style="bold")
    for head, justify in (("language", "left"), ("letters", "left"), ("done", "left"), ("reviewed", "left")):
        table.add_column(head, justify="left" if justify == "left" else "right")
    for one in words:
        old = f", {one.old} of an older English" if one.old else ""
        read = "the source" if one.tag == ENGLISH else "0: a draft"
        if one.tag != ENGLISH and one.reviewed_by:
            read = f"{one.reviewed} of {one.messages}, by {one.reviewed_by}"
        letters = "GSM-7" if one.alphabet == "gsm7" else "UCS-2"
        table.add_row(f"{one.tag}  {one.name}", letters, f"{_bar(one)} {one.done} of {one.messages}{old}", read)
    return table


def _bar(one: CatalogueCoverage) -> str:
    full = one.done * BAR // one.messages
    return "█" * full + "░" * (BAR - full)


def _phones(words: Sequence[CatalogueCoverage], lines: Sequence[ScreenCoverage]) -> Table:
    """A row for each language and channel; countries that come out alike share it."""
    table = Table(title="Screens", title_justify="left", title_style="bold")
    for head in ("language", "channel", "countries", "screens", "pages", "do not fit"):
        table.add_column(head, justify="right" if head in ("screens", "pages", "do not fit") else "left")
    for one in words:
        for channel in sorted({line.channel for line in lines}, reverse=True):
            own = [line for line in lines if (line.language, line.channel) == (one.tag, channel)]
            for unfit in sorted({len(line.unfit) for line in own}):
                same = [line for line in own if len(line.unfit) == unfit]
                where = " ".join(line.country for line in same)
                table.add_row(one.tag, channel, where, _range(same, "screens"), _range(same, "pages"), str(unfit))
    return table


def _range(lines: Sequence[ScreenCoverage], name: str) -> str:
    found = sorted({getattr(line, name) for line in lines})
    return str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"


def _screens(lines: Sequence[ScreenCoverage]) -> Table:
    table = Table(title="Screens that do not fit", title_justify="left", title_style="bold")
    for head in ("language", "screen", "channel", "pages", "in English", "countries"):
        table.add_column(head, justify="right" if head in ("pages", "in English") else "left")
    rows: dict[tuple[str, str, str, int, int], list[str]] = {}
    for line in lines:
        for one in line.unfit:
            rows.setdefault((line.language, one.screen, line.channel, one.pages, one.english), []).append(line.country)
    for (language, screen, channel, pages, english), countries in rows.items():
        table.add_row(language, screen, channel, str(pages), str(english), " ".join(countries))
    return table
