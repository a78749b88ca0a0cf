"""`tokaut audit`: verify that no entry of the audit was changed, dropped, added or moved; export those of a hotline."""

from __future__ import annotations

from pathlib import Path

import click

from reports import audit as signing_keys
from reports.audit import ChainVerification
from reports.store import audit_log
from reports.store.operations import delivery_actions
from runtime.hardening import harden
from runtime.time_units import DAY
from tokaut.checks.installation import refuse_unknown_hotline
from tokaut.checks.stores import chained_rows, verify_chain
from tokaut.database import installation_settings, open_database
from tokaut.documents import audit_export
from tokaut.documents.files import write_new_document, writing
from tokaut.terminal import CommandError, CommandGroup, echo

CHECKPOINT_MAX_AGE = 2 * DAY


@click.group(cls=CommandGroup)
def audit() -> None:
    """Verify or export the audit, the chained record of who did what.

    \b
    Example:  tokaut audit verify
              tokaut audit export vu-pikinini --out lines.jsonl
    """
    harden()


@audit.command()
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, exists=True),
    help="Verify an exported file instead of the database.",
)
@click.option(
    "--key", "trusted", multiple=True, help="With --file: the key ids that you received over another channel."
)
def verify(path: Path | None, trusted: tuple[str, ...]) -> None:
    """Verify the whole chain and its signed checkpoints, and name the first line that does not match.

    If it succeeds, no line was changed, removed, added or moved up to the newest checkpoint, unless by somebody who has
    the signing key. docs/audit.md says what it does not show.

    \b
    Example:  tokaut audit verify
              tokaut audit verify --file lines.jsonl --key 0123456789abcdef
    """
    if path:
        _report_result(audit_export.verify_export(path, trusted), "compare it with the last export that you have.")
        return
    with open_database() as (database, _):
        result = verify_chain(database)
        now = database.now()
        begun = next((entry.at for entry, _ in chained_rows(database)), now)
    _report_result(result, "compare this database with the last backup before that line.")
    if now - (result.newest or begun) > CHECKPOINT_MAX_AGE:
        echo("The newest checkpoint is older than two days, or there is none. Is there a key? tokaut keys list")
    elif result.lines and not result.newest:
        echo("There is no checkpoint yet: the clock makes one each day, with the key _audit.")


@audit.command()
@click.argument("hotline")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new file, for the hotline.")
def export(hotline: str, out: Path) -> None:
    """Write the lines of the audit that concern HOTLINE, with all checkpoints: it can verify them without us.

    Of all other lines the file has only the digest. Send it each month: nobody here can take back a checkpoint that
    somebody else holds.

    \b
    Example:  tokaut audit export vu-pikinini --out lines.jsonl

    Next: the hotline runs `tokaut audit verify --file lines.jsonl --key <id>`, or follows the recipe in docs/audit.md.
    """
    keys = signing_keys.load_verify_keys(installation_settings().keys)
    with open_database() as (database, actor):
        refuse_unknown_hotline(hotline, database)
        ids = audit_log.object_ids_of_hotline(database, hotline)
        head = audit_export.AuditExportHeader(
            hotline, audit_log.database_mode(database), keys, audit_log.list_checkpoints(database)
        )
        lines = audit_export.export_lines(
            head, chained_rows(database), lambda entry: audit_log.concerns_hotline(entry, hotline, ids)
        )
        with writing(out, "Name a new file."):
            write_new_document(out, lines)
        delivery_actions.record_action(database, "audit_exported", hotline, actor)
    echo(f"{out}: signed by {', '.join(keys) or 'nobody yet'}. Tell them the id of the key by another way.")


def _report_result(result: ChainVerification, advice: str) -> None:
    if result.fault:
        raise CommandError(f"{result.fault} Keep all as it is, and {advice}")
    signed = f"the newest signature covers them up to row {result.signed}" if result.signed else "no signature yet"
    echo(f"The chain is whole: {result.lines} rows; {signed}.")
