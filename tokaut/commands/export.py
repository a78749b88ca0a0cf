"""`tokaut export`: write a report as a sheet for another body's form. A person hands it in; nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reports.crypto import DecryptError, SealContext, SealedBody, open_body
from reports.crypto.key_files import KeyFileError, load_private_keys
from reports.exports import SHEETS, SheetRow, referral_sheet, sheet_csv, sheet_text
from reports.json_bodies import without_contact
from reports.store.cases import case_view
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.operations import delivery_actions
from reports.store.outbox import StoredBody
from runtime.hardening import harden
from tokaut.database import installation_settings, open_database
from tokaut.documents.files import write_new_document, writing
from tokaut.terminal import CommandError, echo


@click.command()
@click.argument("report_id", metavar="REPORT_ID")
@click.argument("form", type=click.Choice(sorted(SHEETS)))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="A new file; only this account can read it."
)
@click.option("--csv", "table", is_flag=True, help="As a table for a spreadsheet, not as text.")
@click.option(
    "--hotline", metavar="HOTLINE", help="Hotline whose key is used; default: the one with the most advanced case."
)
def export(report_id: str, form: str, out: Path, table: bool, hotline: str | None) -> None:
    """Write REPORT_ID as a sheet for the FORM of another body, with the hotline's private key. It is sent nowhere.

    A person of the hotline copies the sheet into that body's form, if the law there allows it. The sheet has what the
    reporter typed, and a phone number only if contact was allowed. Before the report is opened, the audit records who
    made the sheet and for which form. Delete the file once it is handed in.

    \b
    Example:  tokaut export 01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e cybertipline --out /run/tokaut/sheet.txt

    Next: read it, hand it in, delete it. The audit keeps the record that you made it.
    """
    harden()
    report_id = report_id.lower()
    with open_database() as (database, actor):
        hotline_id = _hotline(database, report_id, hotline)
        report = case_view.load_report(database, report_id, hotline_id)
        if report is None:
            raise CommandError(
                f"{hotline_id} has no report with answers under {report_id}, so there is no sheet for it."
            )
        delivery_actions.record_action(database, f"exported:{form}", report_id, actor)
    rows = _rows(form, report, report_id, hotline_id)
    with writing(out, "Name a new file, in a folder of yours."):
        write_new_document(out, [sheet_csv(rows) if table else sheet_text(rows)])
    echo(f"{out}: the sheet for {form}, revision {report.revision}. Sent nowhere; delete it once it was handed in.")


def _rows(form: str, report: case_view.ReadableReport, report_id: str, hotline: str) -> list[SheetRow]:
    data = _decrypted(report, report.report, SealContext(report.mode, report_id, report.revision, hotline))
    messages = []
    for message in report.messages:
        content = _decrypted(
            report, message, SealContext.of_message(report.mode, report_id, message.message_id, hotline)
        )
        data = {**data, "contact": content["contact"] or data["contact"]}  # the latest message decides
        kind = f"{content['kind']}, without code" if content.get("without_code") else content["kind"]
        messages.append(f"[{content['created_at']}, {kind}] {content['text'] or ''}".rstrip())
    return referral_sheet(form, data, "\n".join(messages))


def _hotline(database: Database, report_id: str, requested: str | None) -> str:
    target = correspondence.load_answer_target(database, report_id)
    if target is None or not target.hotlines:
        raise CommandError(
            f"There is no report {report_id} that a hotline was given. Look: tokaut deliveries list --state delivered"
        )
    if requested and requested not in target.hotlines:
        raise CommandError(f"Only a hotline that has the report can open it: {', '.join(target.hotlines)}.")
    return requested or target.hotlines[0]


def _decrypted(report: case_view.ReadableReport, body: StoredBody, context: SealContext) -> Mapping[str, Any]:
    hotline = context.hotline
    try:
        keys = load_private_keys(installation_settings().keys, [hotline])
        data = open_body(
            keys.of(hotline, body.key_id), context, SealedBody(body.key_id, body.wrap, body.head, body.sealed)
        )
    except (KeyFileError, DecryptError) as fault:
        raise CommandError(
            f"The report does not open: {fault}. Run this under the account of the worker, where {hotline}'s key is."
        ) from None
    content: Mapping[str, Any] = json.loads(without_contact(data) if report.withdrawn else data)
    return content
