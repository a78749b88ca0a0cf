"""The clock's duty for the statistics: count what is new, and bring a quarter out once it is over.

It opens heads, never bodies: no word that anybody typed is decrypted here.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

import locales
from flows import catalogues
from reports.countries.country import Countries, Country
from reports.crypto import DecryptError, SealContext, SealedBody, open_head
from reports.statistics import aggregation
from reports.statistics.aggregation import SETTLED_AFTER, outcome_cells
from reports.statistics.suppression import MIN_COUNT
from reports.store.engine.database import Database
from reports.store.operations import quarterly_figures
from reports.store.operations.quarterly_figures import CountedReport, CountProgress, ReportHead
from runtime.time_units import DAY, HOUR
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.thread_pool import BackgroundPool

DRILL_SETTLED_AFTER = 6 * DAY  # a day before it is deleted
COMMIT_MARGIN = HOUR  # by then everything that was being written at the time is there

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StatisticsScope:
    """`drafts`: languages that are offered though nobody has reviewed them."""

    countries: Countries
    mode: str
    drafts: Sequence[str] = ()


class StatisticsJob:
    """Outside live mode nothing waits for others: what is counted there is of nobody, and is gone after a week."""

    name, every, after, trusts_the_time = "statistics", 86_400, 600, True

    def __init__(self, database: Database, keys: KeyRing, of: StatisticsScope, metrics: WorkerMetrics) -> None:
        self._database = database
        self._keys = keys
        self._countries = of.countries
        self._least, self._settled_after = (MIN_COUNT, SETTLED_AFTER) if of.mode == "live" else (1, DRILL_SETTLED_AFTER)
        self._channels = ("ussd", "sms") if of.mode == "live" else ("simulator", "ussd", "sms")
        known = catalogues.load(locales.FOLDER)
        self._languages = {one.iso: _spoken(one, known, of.drafts) for one in of.countries}
        self._metrics = metrics
        self._own = BackgroundPool(1)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Beside the clock's other duties: a whole year would keep it from what is urgent."""
        self._own.do(self._try)

    def finish(self) -> None:
        self._stopping.set()
        self._own.finish()

    def _try(self) -> None:
        try:
            self.count()
        except Exception:
            self._metrics.faults.labels("statistics").inc()
            raise  # to who does it, who says so in the log

    def count(self) -> None:
        now = self._database.now() - COMMIT_MARGIN
        reached = quarterly_figures.load_progress(self._database)
        reached |= {one.iso: CountProgress() for one in self._countries if one.iso not in reached}
        oldest = min(min(reached[one.iso].until, reached[one.iso].settled) for one in self._countries)
        filed = quarterly_figures.list_submitted(self._database, oldest, now)
        for country in self._countries:
            there = [one for one in filed if one.country == country.iso]
            self._count(country, reached[country.iso].until, there, now)
            self._settle(country, reached[country.iso].settled, there, now - self._settled_after)
            for quarter in quarterly_figures.list_open_quarters(self._database, country.iso):
                if now >= aggregation.quarter_end(quarter) + SETTLED_AFTER:
                    self._bring_out(country, quarter)

    def _count(self, country: Country, since: int, there: Sequence[CountedReport], now: int) -> None:
        """Batch by batch: one for each quarter that is over, and one for what is new of this one."""
        waiting = [one for one in there if one.at > since]
        while not self._stopping.is_set() and (step := self._next(waiting, now)):
            counts = self._cells(country, waiting[: step.count])
            if not quarterly_figures.add_counts(self._database, country.iso, "until", (since, step.until), counts):
                return
            log.info("statistics_counted", country=country.iso, count=step.count)
            since, waiting = step.until, [one for one in waiting if one.at > step.until]

    def _next(self, waiting: Sequence[CountedReport], now: int) -> aggregation.CountBatch | None:
        return aggregation.next_batch([one.at for one in waiting], now, self._least)

    def _settle(self, country: Country, since: int, there: Sequence[CountedReport], until: int) -> None:
        """What became of each, when it has had its time. It stands in clear columns: none waits for others."""
        ready = [one for one in there if since < one.at <= until]
        if ready:
            became = zip(ready, quarterly_figures.load_outcomes(self._database, ready), strict=True)
            counts = Counter(
                (aggregation.quarter_of(one.at), *cell) for one, took in became for cell in outcome_cells(took)
            )
            quarterly_figures.add_counts(self._database, country.iso, "settled", (since, ready[-1].at), counts)

    def _cells(self, country: Country, reports: Sequence[CountedReport]) -> Mapping[tuple[str, str, str], int]:
        heads: dict[str, list[ReportHead]] = {}
        for one in quarterly_figures.load_heads(self._database, [one.report_id for one in reports]):
            heads.setdefault(one.report_id, []).append(one)
        counts: Counter[tuple[str, str, str]] = Counter()
        for report in reports:
            head = self._opened(heads.get(report.report_id, ()))
            quarter = aggregation.quarter_of(report.at)
            counts.update((quarter, *cell) for cell in aggregation.report_cells(head, country, report.at))
        return counts

    def _opened(self, heads: Iterable[ReportHead]) -> Mapping[str, Any]:
        """By whichever hotline's key is here; empty where none is, or nobody could read what came."""
        for one in heads:
            try:
                private = self._keys.of(one.recipient, one.key_id)
                context = SealContext(one.mode, one.report_id, one.revision, one.recipient)
                found = json.loads(open_head(private, context, SealedBody(one.key_id, one.wrap, one.head, b"")))
            except (DecryptError, ValueError):
                continue
            return found if isinstance(found, dict) else {}
        return {}

    def _bring_out(self, country: Country, quarter: str) -> None:
        counted = quarterly_figures.load_counts(self._database, country.iso, quarter)
        tables = aggregation.table_layout(country, quarter, self._languages[country.iso], self._channels)
        figures = list(aggregation.quarter_figures(counted, tables))
        figures += aggregation.screen_figures(quarterly_figures.count_screens(self._database, country.iso, quarter))
        if quarterly_figures.publish(self._database, country.iso, quarter, figures):
            log.info("statistics_published", country=country.iso, count=len(figures))


def _spoken(country: Country, known: Mapping[str, catalogues.Catalogue], drafts: Sequence[str]) -> list[str]:
    """English is last: it is what everybody gets for whom there is nothing else."""
    tags = [one.tag for one in catalogues.offered_languages(country.languages, known, (), drafts)]
    return sorted(tags, key=lambda tag: tag == "en")
