"""A running web and console with reports, and schemathesis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import update

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.faults.fuzz.webhooks import OPEN, TOKENS
from tests.house.files import ROOT
from tests.support.hotline_clients import store_report
from tests.support.installation import Installation
from tokaut.local_stack import preparation

CONTRACTS = ROOT / "docs" / "contracts"
PHASES = "examples,coverage,fuzzing"
HERE = Path(__file__).parent


class Running:
    """Valkey, web and console. No worker runs, so no delivery changes its state."""

    def __init__(self) -> None:
        self.installation = Installation(OPEN)
        try:
            self.installation.start("valkey")
            preparation.prepare_stack(self.installation.plan)
            self.installation.start("web")
            self.installation.start_console()
            self.installation.until_web_answers()
            self.sheet = self.installation.folder / "sheet.json"
            self.sheet.write_text(json.dumps(self._sheet()))
        except BaseException:
            self.installation.down()
            raise

    @property
    def keys(self) -> Path:
        """Return the folder of keys."""
        return self.installation.plan.folder.inside / "keys"

    def _sheet(self) -> dict[str, object]:
        """Return the values for hooks.py. Each hotline has an accepted report and a refused one."""
        secrets, d = self.installation.plan.secrets, t.delivery.c
        database = Database(f"sqlite:///{self.installation.plan.folder.inside / 'tokaut.db'}")
        accepted = {hotline: store_report(database, self.keys, [(hotline, "primary")]) for hotline in secrets.hotlines}
        for hotline in secrets.hotlines:
            store_report(database, self.keys, [(hotline, "primary")])
        was_accepted = d.report_id.in_(list(accepted.values()))
        delivered = {"state": "delivered", "delivered_at": database.now(), "last_class": "delivered", "attempt": 1}
        refused = {"state": "refused", "last_class": "refused 2", "last_status": 422, "attempt": 2}
        with database.write() as connection:
            connection.execute(update(t.delivery).where(was_accepted).values(delivered))
            connection.execute(update(t.delivery).where(~was_accepted).values(refused))
        database.close()
        return {
            "web": self.installation.web,
            "tokens": {name: self.installation.environment[setting] for name, setting in TOKENS.items()},
            "hotlines": {
                hotline: {"secret": secret, "report": accepted[hotline]} for hotline, secret in secrets.hotlines.items()
            },
        }

    def schemathesis(self, name: str, *options: str, document: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run schemathesis on web or console, with its own document or another one; settings are in this folder."""
        url = {"web": self.installation.web, "console": self.installation.plan.where.console}[name]
        program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / f"{name}.toml"), "run"]
        command = [
            *program,
            str(document or CONTRACTS / f"{name}.openapi.yaml"),
            "--url",
            url,
            "--phases",
            PHASES,
            "--warnings",
            "off",  # generated words are seldom valid for a reporter
            *options,
        ]
        around = {**os.environ, "CONTRACTS_SHEET": str(self.sheet), "PYTHONPATH": str(ROOT), "COLUMNS": "140"}
        return subprocess.run(
            command, cwd=self.installation.folder, env=around, capture_output=True, text=True, timeout=3600, check=False
        )
