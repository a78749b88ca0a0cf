"""What the clock does, duty by duty. All of it is found in the database, and works with Redis away.

Each duty may be done twice, or by two clocks at once: unique keys, leases and deletions decide, not the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from itertools import product

import structlog

from reports.clocks import furthest_steps
from reports.escalation.priorities import PRIORITIES, QUEUES, speed_of
from reports.queue import DELIVER, SEND_SMS, Hurry, Speed
from reports.store import (
    answering,
    auditing,
    breakers,
    chains,
    drafts,
    drilling,
    handing,
    letters,
    maturing,
    mending,
    messages,
    paging,
    sms_out,
    sweeping,
    taking,
)
from reports.store.database import Database
from reports.store.deliveries import UNDELIVERED
from runtime.time_units import HOUR, SECOND
from workers import schedule
from workers.fallback import next_fallback
from workers.forward import Forwarder
from workers.metrics import Metrics
from workers.nudger import Nudger
from workers.own import Hurrying, Own
from workers.pager import Pager

THREADS = {"urgent": 2, "standard": 1}
CALLS_KEPT = 30 * 24 * HOUR  # ids of call-backs, against repeats; their signatures are good for minutes
KEPT = 48 * HOUR  # what tells a repeated SMS, and what a delivery report may still come for

log = structlog.get_logger()


class Duties:
    def __init__(
        self,
        *,
        database: Database,
        forwarder: Forwarder,
        pager: Pager,
        hurry: Hurry,
        metrics: Metrics,
        nudger: Nudger | None = None,
        furthest: Mapping[str, int] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._forwarder = forwarder
        self._texter = pager.texter
        self._pager = pager
        self._hurry = hurry
        self._metrics = metrics
        self._hurrying = {name: Hurrying(hurry, DELIVER, monotonic) for name in QUEUES}
        self._texts = Hurrying(hurry, SEND_SMS, monotonic)
        self._own = {name: Own(threads) for name, threads in THREADS.items()}
        self._own_texts = Own(1)
        self._own_pages = Own(1)
        self._nudger = nudger
        self._furthest = furthest or furthest_steps(())
        self._reconsider = False
        self._own_nudges = Own(1)

    def urgent(self) -> None:
        """P1 and P2 that are due."""
        self._due("urgent")

    def standard(self) -> None:
        """P3 and P4 that are due."""
        self._due("standard")

    def _due(self, speed: Speed) -> None:
        rows = sweeping.due(self._database, QUEUES[speed])
        left = self._hurrying[speed].left_over([delivery_id for delivery_id, _ in rows], speed)
        for _ in left[: THREADS[speed]]:
            self._own[speed].do(lambda: self._forwarder.drain(QUEUES[speed]))

    def sms(self) -> None:
        """SMS that are due; those that are too late are dropped."""
        expired = sms_out.expire(self._database)
        if expired:
            log.info("sms_expired", count=expired)
        left = self._texts.left_over(sms_out.due(self._database), "urgent")
        if left:
            self._own_texts.do(lambda: [self._texter.send(one) for one in left])

    def pages(self) -> None:
        """What duty phones have answered; then the next number, where none has in time."""
        for report_id, hotline in paging.believe(self._database):
            log.info("acknowledged", report_id=report_id, hotline=hotline)
        self._own_pages.do(self._pager.go_on)

    def nudges(self) -> None:
        """Reporters who may be texted that there is an answer."""
        if self._nudger is not None:
            self._own_nudges.do(self._nudger.go_on)

    def mature(self) -> None:
        """What files itself: rescue, words, answers of Add more, what nobody could read."""
        for origin_key in maturing.mature(self._database):
            made = maturing.file_pending(self._database, origin_key)
            self.put(made)

    def messages(self) -> None:
        """What reporters say by My report, to whoever has the report."""
        for message_id, report_id in letters.unnumbered(self._database):
            self.put(letters.make_deliveries(self._database, message_id, report_id))

    def handovers(self) -> None:
        """Reports that staff of one hotline want another one to have."""
        for one in handing.asked(self._database):
            if made := handing.carry_out(self._database, one):
                log.info("handed_on", report_id=one.report_id, hotline=one.taker, priority=made[1])
                self.put([made])

    def receipts(self) -> None:
        """Whoever does something with a report has it, though no receipt came."""
        if count := taking.count_as_receipts(self._database):
            log.info("acknowledged", count=count)

    def fallbacks(self) -> None:
        """Whoever is next gets a report that the hotline before has not taken."""
        waits = {priority: pace.fallback for priority, pace in schedule.PACES.items()}
        for report_id in chains.stuck(self._database, waits):
            found = next_fallback(chains.chain(self._database, report_id))
            made = chains.add_fallback(self._database, report_id, *found) if found else None
            if found and made:
                log.warning("delivery_fallback", report_id=report_id, hotline=found[0], priority=made[1])
                self.put([made])

    def bury(self) -> None:
        """What is due to a hotline that takes nothing any more."""
        for delivery_id in sweeping.refuse_for_the_dead(self._database):
            log.warning("delivery_refused", delivery_id=delivery_id, reason="gone")

    def chain(self) -> None:
        """Audit rows that are new."""
        auditing.chain_audit(self._database)

    def reconsider(self) -> None:
        """The clock has jumped: the next `mend` looks at what was put off until a morning, too."""
        self._reconsider = True

    def mend(self) -> None:
        """Times that lie further ahead than any schedule sets them."""
        mended = mending.mend(self._database, self._furthest, reconsider=self._reconsider)
        self._reconsider = False
        if mended:
            self._metrics.mended.inc(mended)
            log.warning("swept", count=mended, reason="clock_jump")

    def tidy(self) -> None:
        """What is not needed any more."""
        messages.forget_inbound(self._database, KEPT)
        sms_out.forget_outgoing(self._database, KEPT)
        answering.forget_answers(self._database)
        taking.forget_calls(self._database, CALLS_KEPT)
        drafts.forget(self._database)
        paging.forget(self._database, schedule.PARK_AFTER, KEPT)
        drilling.forget(self._database)

    def park(self) -> None:
        """14 days: a person takes it from here."""
        for delivery_id in sweeping.park(self._database, schedule.PARK_AFTER):
            log.warning("delivery_parked", delivery_id=delivery_id)

    def figures(self) -> None:
        """For the monitor."""
        since = auditing.unchained_since(self._database)
        age = 0 if since is None else max(0, self._database.now() - since)
        self._metrics.unchained.set(age / SECOND)

    def undelivered(self) -> None:
        """For the monitor: what no hotline has, and which hotlines are not tried for now."""
        found = sweeping.undelivered(self._database)
        for state, priority in product(UNDELIVERED, PRIORITIES):
            self._metrics.deliveries.labels(state, priority).set(found.get((state, priority), 0))
        for hotline, is_open in breakers.states(self._database).items():
            self._metrics.breaker.labels(hotline).set(is_open)

    def put(self, made: Iterable[tuple[str, str]]) -> None:
        """Hurries along what was made: (delivery_id, priority)."""
        for delivery_id, priority in made:
            self._hurry.put(DELIVER, delivery_id, speed_of(priority))

    def finish(self) -> None:
        """What is in hand is finished; nothing new is begun."""
        for own in (*self._own.values(), self._own_texts, self._own_pages, self._own_nudges):
            own.finish()
        self._hurry.close()
