"""What the web process is made of. Tests look at its parts, and stop its threads."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.crowd import Crowd
from gateway.desk import Desk
from gateway.filer import Filer
from gateway.health import Health
from gateway.housekeeping import Housekeeping
from gateway.metrics import Metrics
from gateway.numbers import Numbers
from gateway.sessions import Sessions
from gateway.webhooks import Webhooks
from reports.erasures import Journal
from reports.spool import Spool
from reports.store.database import Database


@dataclass(frozen=True)
class Parts:
    database: Database
    spool: Spool
    journal: Journal
    filer: Filer
    sessions: Sessions
    metrics: Metrics
    desk: Desk
    webhooks: Webhooks
    health: Health
    housekeeping: Housekeeping
    numbers: Numbers
    crowd: Crowd
