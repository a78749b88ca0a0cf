"""What the roles may do with the audit in live mode: nobody signs as another, and nothing young is deleted."""

from __future__ import annotations

import psycopg
import pytest

from reports.retention import AUDIT
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.rights import CLOCK, OWNER, WEB, WORKER
from runtime.time_units import DAY
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.rule("X-24")]
LINE = "INSERT INTO audit (audit_id, at, actor, act, object_id) VALUES (%s, %s, 'clock', 'made', 'x')"


@pytest.mark.parametrize(("mode", "left"), [("live", ["unchained", "young"]), ("training", ["unchained"])])
def test_what_the_clock_deletes_of_the_audit(postgres: Postgres, mode: str, left: list[str]) -> None:
    addresses = postgres.new_tokaut()
    owner = Database(addresses[OWNER], threads=1)
    upgrade(owner, mode)
    now = owner.now()
    owner.close()
    with psycopg.connect(addresses[CLOCK], autocommit=True) as clock:
        ages = {"old": (AUDIT.days + 1) * DAY, "young": (AUDIT.days - 1) * DAY, "unchained": 0}
        for seq, (name, age) in enumerate(ages.items(), 1):
            clock.execute(LINE, (name, now - age))
            if name != "unchained":
                clock.execute("UPDATE audit SET seq = %s WHERE audit_id = %s", (seq, name))
        clock.execute("DELETE FROM audit")
        found = [row[0] for row in clock.execute("SELECT audit_id FROM audit ORDER BY audit_id")]
    assert found == left


@pytest.mark.rule("X-10")
@pytest.mark.parametrize(("role", "own"), [(WEB, "web"), (WORKER, "worker")])
def test_who_writes_the_audit_writes_it_under_its_own_name(postgres: Postgres, role: str, own: str) -> None:
    """An attacker in web could say that a colleague read a report, or that the scheduler saw a new number."""
    with psycopg.connect(postgres.new_filled("live")[role], autocommit=True) as attacker:
        for name in {"staff:vu-pikinini/mere", "clock", "phone:vu-police", "web", "worker"} - {own}:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                attacker.execute(LINE.replace("'clock'", "%s"), (f"forged {name}", 1, name))
        attacker.execute(LINE.replace("'clock'", "%s"), ("true", 1, own))
