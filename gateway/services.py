"""The parts of a web process. Tests inspect them and stop their threads."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.background.housekeeping import CountryReload, Housekeeping
from gateway.conversation.dispatcher import Dispatcher
from gateway.health import Health
from gateway.metrics import WebMetrics
from gateway.sessions.store import Sessions
from gateway.submission.spool_copies import SpoolCopies
from gateway.submission.submitter import Submitter
from gateway.threads import BackgroundLoop, BlockingPool
from gateway.webhooks import Webhooks
from reports.erasure_journal import ErasureJournal
from reports.store.engine.database import Database
from reports.store.spool import Spool
from runtime import event_loop_guard
from runtime.queue import JobQueue


@dataclass(frozen=True)
class Services:
    """All parts of a web process, as `gateway.app` assembled them."""

    database: Database
    background_database: Database  # for work that no reporter waits for; with SQLite the same as `database`
    spool: Spool
    copies: SpoolCopies | None  # the copies of all hosts' spools; None with SQLite
    journal: ErasureJournal
    submitter: Submitter
    sessions: Sessions
    metrics: WebMetrics
    dispatcher: Dispatcher
    webhooks: Webhooks
    health: Health
    housekeeping: Housekeeping
    numbers: CountryReload
    blocking: BlockingPool
    loop: BackgroundLoop
    queue: JobQueue

    def close(self) -> None:
        """Stop the background work of this process, and close its connections and files."""
        event_loop_guard.remove_callback(self.metrics.loop_blocked)
        self.housekeeping.stop()
        self.numbers.stop()
        self.sessions.close()
        self.queue.close()
        self.loop.close()
        self.blocking.close()
        self.spool.close()
        if self.copies:
            self.copies.stop()
        self.journal.close()
        self.background_database.close()
        self.database.close()
