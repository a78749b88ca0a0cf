"""What the web process is made of. Tests look at its parts, and stop its threads."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.background.country_reload import CountryReload
from gateway.background.event_loop import BackgroundLoop
from gateway.background.housekeeping import Housekeeping
from gateway.blocking import Blocking
from gateway.conversation.dispatcher import Dispatcher
from gateway.health import Health
from gateway.metrics import Metrics
from gateway.sessions.store import Sessions
from gateway.submission.submitter import Submitter
from gateway.webhooks import Webhooks
from reports import loop_guard
from reports.erasures import Journal
from reports.queue import Hurry
from reports.spool import Spool
from reports.store.engine.database import Database


@dataclass(frozen=True)
class Services:
    database: Database
    spool: Spool
    journal: Journal
    submitter: Submitter
    sessions: Sessions
    metrics: Metrics
    desk: Dispatcher
    webhooks: Webhooks
    health: Health
    housekeeping: Housekeeping
    numbers: CountryReload
    blocking: Blocking
    loop: BackgroundLoop
    queue: Hurry

    def close(self) -> None:
        """End what runs in this process beside its requests, and close what it holds open."""
        loop_guard.forget(self.metrics.loop_blocked)
        self.housekeeping.stop()
        self.numbers.stop()
        self.sessions.close()
        self.queue.close()
        self.loop.close()
        self.blocking.close()
        self.spool.close()
        self.journal.close()
        self.database.close()
