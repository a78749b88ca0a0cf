"""`tokaut message`: what a hotline wants a reporter to read, put where only code and PIN find it."""

from __future__ import annotations

import os
import sys

import click

from console.bodies import messages as writing
from reports.countries.country import Country, CountryError, load_countries
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import AnswerTarget
from runtime.hardening import harden
from tokaut.checks import installation
from tokaut.cli import CommandError, CommandGroup
from tokaut.database import open_database
from tokaut.terminal import echo


@click.group(cls=CommandGroup)
def message() -> None:
    """Leave words of a hotline for a reporter, who reads them under My report.

    \b
    Example:  tokaut message put 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e < words.txt
    """
    harden()


@message.command()
@click.argument("report_id", metavar="REPORT_ID")
@click.option("--from", "hotline", metavar="HOTLINE", help="Whose words they are; else the hotline furthest along.")
@click.option("--anyway", is_flag=True, help="Put it though it may say more, or promise more, than it should.")
def put(report_id: str, hotline: str | None, anyway: bool) -> None:
    """Put what a hotline wrote, from standard input, where the reporter finds it with code and PIN.

    It is sealed to the reporter's mailbox: once it is put, neither you nor the hotline nor this program can read it
    again. Nothing is sent to the phone. It must fit one screen, and have no link, no number that is not of the
    country's file, and ask for no picture; what promises or tells too much is asked about, and put with --anyway.
    Never write it on the command line: others on this machine see that.

    \b
    Example:  tokaut message put 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e < words.txt

    Next: the reporter reads it when they next open My report; there is no sign of that here.
    """
    report_id = report_id.lower()
    words = _read()
    with open_database() as (database, actor):
        box = _box(database, report_id)
        writer = _writer(box, hotline)
        _refuse(words, _country(box), anyway=anyway)
        correspondence.send_answer(database, writing.seal_reply(box, report_id, writer, words, database.now()), actor)
    echo(f"Put for the reporter of {report_id}, as words of {writer}. Code and PIN open it, and nothing else.")


def _read() -> str:
    if sys.stdin.isatty():
        echo("Write what the reporter is to read, then Ctrl-D on a line of its own:", err=True)
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError:
        raise CommandError("The words are not UTF-8; nothing was put. Save the file as UTF-8.") from None


def _box(database: Database, report_id: str) -> AnswerTarget:
    box = correspondence.load_answer_target(database, report_id)
    if box is None:
        raise CommandError(
            f"There is no report {report_id}. `tokaut deliveries list --state delivered` names those there are."
        )
    if why := writing.unreachable_reason(box):
        raise CommandError(f"{why[0].upper()}{why[1:]}; nothing was put.")
    return box


def _writer(box: AnswerTarget, hotline: str | None) -> str:
    if not box.hotlines or (hotline and hotline not in box.hotlines):
        given = ", ".join(box.hotlines) or "nobody"
        raise CommandError(f"Only who was given the report writes to its reporter: {given}. Nothing was put.")
    return hotline or box.hotlines[0]


def _country(box: AnswerTarget) -> Country:
    folder = installation.common_settings(os.environ).country_dir
    try:
        return load_countries([box.country], installation.mode_of(os.environ), folder).all[0]
    except CountryError as error:
        raise CommandError(
            f"{error}\nWithout the country's numbers the words cannot be checked; nothing was put."
        ) from None


def _refuse(words: str, country: Country, *, anyway: bool) -> None:
    found = writing.check_message(words, country)
    asked = () if anyway else found.asked
    if found.refused or asked:
        lines = [f"Not put: {why}." for why in found.refused] + [f"Is this meant? {why}." for why in asked]
        way = "Write it otherwise." if found.refused else "Write it otherwise, or put it with --anyway."
        raise CommandError("\n".join([*lines, way]))
