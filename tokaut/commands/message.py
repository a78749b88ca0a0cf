"""`tokaut message`: a message from a hotline to a reporter, which only access code and PIN open."""

from __future__ import annotations

import os
import sys

import click

from console import bodies as writing
from reports.countries.country import Country, CountryError, load_countries
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.mailboxes.correspondence import AnswerTarget
from runtime.hardening import harden
from tokaut.checks import installation
from tokaut.database import open_database
from tokaut.terminal import CommandError, CommandGroup, echo


@click.group(cls=CommandGroup)
def message() -> None:
    """Leave a message from a hotline for a reporter, who reads it under My report.

    \b
    Example:  tokaut message put 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e < words.txt
    """
    harden()


@message.command()
@click.argument("report_id", metavar="REPORT_ID")
@click.option(
    "--from", "hotline", metavar="HOTLINE", help="Hotline that writes; default: the one with the most advanced case."
)
@click.option("--anyway", is_flag=True, help="Store it although it may reveal or promise more than it should.")
def put(report_id: str, hotline: str | None, anyway: bool) -> None:
    """Store a hotline's message from standard input, where the reporter opens it with access code and PIN.

    It is sealed to the reporter's mailbox: after that neither you nor the hotline nor this program can read it. Nothing
    is sent to the phone. It must fit one screen. It must have no link and no number except those in the country's file,
    and must not ask for a picture. If it may promise or reveal too much, the command says so and stores nothing: reword
    it, or repeat the command with --anyway. Never write the message on the command line: others on this machine can see
    that.

    \b
    Example:  tokaut message put 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e < words.txt

    Next: the reporter reads it when they next open My report. You cannot see here whether they have.
    """
    report_id = report_id.lower()
    words = _read_words()
    with open_database() as (database, actor):
        mailbox = _find_mailbox(database, report_id)
        writer = _writer(mailbox, hotline)
        _check_words(words, _country(mailbox), anyway=anyway)
        correspondence.send_answer(
            database, writing.seal_answer_to(mailbox, report_id, writer, words, database.now()), actor
        )
    echo(f"The message from {writer} to the reporter of {report_id} is stored. Only code and PIN open it.")


def _read_words() -> str:
    if sys.stdin.isatty():
        echo("Write what the reporter is to read, then Ctrl-D on a line of its own:", err=True)
    try:
        return sys.stdin.read().strip()
    except UnicodeDecodeError:
        raise CommandError("The words are not UTF-8; nothing was stored. Save the file as UTF-8.") from None


def _find_mailbox(database: Database, report_id: str) -> AnswerTarget:
    mailbox = correspondence.load_answer_target(database, report_id)
    if mailbox is None:
        raise CommandError(
            f"There is no report {report_id}. `tokaut deliveries list --state delivered` lists the reports."
        )
    if reason := writing.unreachable_reason(mailbox):
        raise CommandError(f"{reason[0].upper()}{reason[1:]}; nothing was stored.")
    return mailbox


def _writer(mailbox: AnswerTarget, hotline: str | None) -> str:
    if not mailbox.hotlines or (hotline and hotline not in mailbox.hotlines):
        recipients = ", ".join(mailbox.hotlines) or "nobody"
        raise CommandError(f"Only who was given the report writes to its reporter: {recipients}. Nothing was stored.")
    return hotline or mailbox.hotlines[0]


def _country(mailbox: AnswerTarget) -> Country:
    folder = installation.common_settings(os.environ).country_dir
    try:
        return load_countries([mailbox.country], installation.mode_of(os.environ), folder).all[0]
    except CountryError as error:
        raise CommandError(
            f"{error}\nWithout the country's numbers the words cannot be checked; nothing was stored."
        ) from None


def _check_words(words: str, country: Country, *, anyway: bool) -> None:
    result = writing.check_message(words, country)
    questions = () if anyway else result.doubts
    if result.refusals or questions:
        lines = [f"Not put: {refusal.why}" for refusal in result.refusals] + [
            f"Is this meant? {doubt.why}" for doubt in questions
        ]
        advice = "Write it otherwise." if result.refusals else "Reword it, or store it with --anyway."
        raise CommandError("\n".join([*lines, advice]))
