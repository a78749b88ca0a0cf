"""Count new reports, publish a quarter once it is over, and detect changed numbers, addresses and keys.

It decrypts the heads of reports, and the data on a child that staff recorded for the statistics. It never decrypts
bodies, so it sees no free text.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

import locales
from flows import catalogues, loader
from reports.countries.country import Countries, Country, CountryError
from reports.countries.validation import TRANSLATED_WORDS
from reports.crypto import DecryptError, SealContext, SealedBody, open_body, open_head
from reports.crypto.key_files import KeyFileError, list_keys
from reports.escalation import Priority
from reports.statistics import aggregation
from reports.statistics.aggregation import MIN_COUNT, SETTLED_AFTER, outcome_cells
from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.operations import quarterly_figures, retention
from reports.store.operations.quarterly_figures import ChildNote, CountedReport, CountProgress, ReportHead
from reports.store.row_isolation import process_each
from runtime.settings import Mode
from runtime.telephony import CHANNEL_KINDS
from runtime.time_units import DAY, HOUR
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.notifications.notifier import Notifier
from workers.notifications.texts import ALERT_ADVICE, Alert
from workers.thread_pool import BackgroundJob

CONSOLE_KIND, STAFF_CHANNEL = "console", "staff"
DRILL_SETTLED_AFTER = 6 * DAY  # a day before the report is deleted
COMMIT_MARGIN = HOUR  # transactions that were open at the end of a quarter have committed by then

log = structlog.get_logger()
ALERT_REASON = "facts_changed"


@dataclass(frozen=True, slots=True)
class StatisticsScope:
    """The scope of the statistics. `drafts`: languages that are offered without a review."""

    countries: Countries
    mode: Mode
    drafts: Sequence[str] = ()


class StatisticsJob(BackgroundJob):
    """Counts reports by quarter.

    Outside live mode no minimum count applies, because the counted reports are not real and are deleted after a week.
    """

    name, interval, start_delay, trusts_the_time = "statistics", 86_400, 600, True

    def __init__(self, database: Database, keys: KeyRing, scope: StatisticsScope, metrics: WorkerMetrics) -> None:
        super().__init__()
        self._database = database
        self._keys = keys
        self._countries = scope.countries
        self._min_count, self._settled_after = (
            (MIN_COUNT, SETTLED_AFTER) if scope.mode == Mode.LIVE else (1, DRILL_SETTLED_AFTER)
        )
        self._channels = CHANNEL_KINDS if scope.mode == Mode.LIVE else ("simulator", *CHANNEL_KINDS)
        catalogues_by_tag = catalogues.load(locales.FOLDER)
        needed = catalogues.needed_messages(loader.load(), TRANSLATED_WORDS)
        self._languages = {
            country.iso: _offered_languages(country, catalogues_by_tag, needed, scope.drafts)
            for country in scope.countries
        }
        self._metrics = metrics

    def run(self) -> None:
        """Count as `count` does, and count a fault in the metrics."""
        try:
            self.count()
        except Exception:
            self._add_fault()
            raise  # the thread pool logs it

    def _add_fault(self) -> None:
        self._metrics.faults.labels("statistics").inc()

    def count(self) -> None:
        """Count the new reports of each country, and publish the quarters that are over. Raises DatabaseUnavailable.

        A country that cannot be counted stops no other.
        """
        now = retention.purge_time(self._database) - COMMIT_MARGIN  # a quarter must not come out early, either
        progress = quarterly_figures.load_progress(self._database)
        progress |= {each.iso: CountProgress() for each in self._countries if each.iso not in progress}
        oldest = min(min(progress[each.iso].until, progress[each.iso].settled) for each in self._countries)
        submitted = quarterly_figures.list_submitted(self._database, oldest, now)

        def count_country(country: Country) -> None:
            reports = [report for report in submitted if report.country == country.iso]
            if not self._count_all(country, progress[country.iso], reports, now):
                return
            for quarter in quarterly_figures.list_due_quarters(self._database, country.iso, now - SETTLED_AFTER):
                self._publish(country, quarter)

        process_each(
            "statistics",
            self._countries,
            count_country,
            ids=lambda country: {"country": country.iso},
            on_fault=lambda _: self._add_fault(),
        )

    def _count_all(self, country: Country, progress: CountProgress, reports: Sequence[CountedReport], now: int) -> bool:
        """Count the reports of a country and their outcomes. Returns False as `_count` returns None.

        Reports of a quarter that are too few to count are in no table, so they are left out of the outcomes as well:
        after the outcomes of the others, two weeks after the quarter.
        """
        since, settled, settled_before = progress.until, progress.settled, now - self._settled_after
        while True:
            counted = self._count(country, since, reports, now)
            if counted is None:
                return False
            if (last := self._settle(country, settled, reports, min(counted, settled_before))) is None:
                return False
            rest = self._next_batch([report for report in reports if report.at > counted], settled_before)
            if rest is None:
                return True
            since, settled = rest.until, max(last, rest.until)
            none = {(aggregation.quarter_of(rest.until), *aggregation.TOTAL): 0}  # else the quarter would not come out
            if not (
                quarterly_figures.add_counts(self._database, country.iso, "settled", (last, settled), none)
                and quarterly_figures.add_counts(self._database, country.iso, "until", (counted, since), none)
            ):
                return False

    def _count(self, country: Country, since: int, reports: Sequence[CountedReport], now: int) -> int | None:
        """Count in batches: one for each quarter that is over, and one for the new reports of this quarter.

        Stops before reports that are too few to count. Returns the time up to which reports are counted. None: this
        process stops, or another scheduler counts them. No quarter may be published then.
        """
        uncounted = [report for report in reports if report.at > since]
        while batch := self._next_batch(uncounted, now):
            if not batch.count:
                break
            if self._stopping.is_set():
                return None
            counts = self._count_cells(country, uncounted[: batch.count])
            if not quarterly_figures.add_counts(self._database, country.iso, "until", (since, batch.until), counts):
                return None
            log.info("statistics_counted", country=country.iso, count=batch.count)
            since, uncounted = batch.until, [report for report in uncounted if report.at > batch.until]
        return since

    def _next_batch(self, uncounted: Sequence[CountedReport], now: int) -> aggregation.CountBatch | None:
        return aggregation.next_batch([report.at for report in uncounted], now, self._min_count)

    def _settle(self, country: Country, since: int, reports: Sequence[CountedReport], until: int) -> int | None:
        """Count the outcome of each counted report whose time to settle has passed.

        Returns the time up to which outcomes are counted. None: another scheduler counts them.

        A report that is deleted before it is counted must be in no table: else a table has more reports than the total.
        Outcomes are in unencrypted columns, so they need no minimum number of reports.
        """
        settled = [report for report in reports if since < report.at <= until]
        if not settled:
            return since
        outcomes = quarterly_figures.load_outcomes(self._database, settled, self._settled_after)
        counts = Counter(
            (aggregation.quarter_of(report.at), *cell)
            for report, outcome in zip(settled, outcomes, strict=True)
            for cell in outcome_cells(outcome)
        )
        moved = (since, settled[-1].at)
        return moved[1] if quarterly_figures.add_counts(self._database, country.iso, "settled", moved, counts) else None

    def _count_cells(self, country: Country, reports: Sequence[CountedReport]) -> Mapping[tuple[str, str, str], int]:
        heads: dict[str, list[ReportHead]] = {}
        for row in quarterly_figures.load_heads(self._database, [row.report_id for row in reports]):
            heads.setdefault(row.report_id, []).append(row)
        counts: Counter[tuple[str, str, str]] = Counter()
        for report in reports:
            quarter = aggregation.quarter_of(report.at)
            counts.update((quarter, *cell) for cell in self._cells(report, heads.get(report.report_id, ()), country))
        return counts

    def _cells(self, report: CountedReport, heads: Iterable[ReportHead], country: Country) -> Sequence[tuple[str, str]]:
        """Return the cells of a report; if its head is malformed, those of a report that says nothing."""
        try:
            return [*aggregation.report_cells(self._open_head(heads), country, report.at)]
        except Exception:
            log.exception("job_failed", job=self.name, report_id=report.report_id)
            return [*aggregation.report_cells({}, country, report.at)]

    def _open_head(self, heads: Iterable[ReportHead]) -> Mapping[str, Any]:
        """Open a report's head with the first hotline key that this host has.

        Returns an empty mapping if there is none, or if the report holds a text that could not be parsed.
        """
        for head in heads:
            try:
                private_key = self._keys.of(head.recipient, head.key_id)
                context = SealContext(head.mode, head.report_id, head.revision, head.recipient)
                opened = json.loads(open_head(private_key, context, SealedBody(head.key_id, head.wrap, head.head, b"")))
            except (DecryptError, ValueError):
                continue
            return opened if isinstance(opened, dict) else {}
        return {}

    def _publish(self, country: Country, quarter: str) -> None:
        counted = quarterly_figures.load_counts(self._database, country.iso, quarter)
        child_notes = self._child_notes(country, quarter)
        counted |= self._count_children(note for note, is_counted in child_notes if is_counted)
        # Only staff who use the console can enter reports; for other hotlines the cell would always be empty.
        has_console = any(hotline.delivery == CONSOLE_KIND for hotline in country.hotlines.values())
        channels = (STAFF_CHANNEL, *self._channels) if has_console else self._channels
        tables = aggregation.table_layout(country, quarter, self._languages[country.iso], channels)
        figures = list(aggregation.quarter_figures(counted, tables))
        figures += aggregation.screen_figures(quarterly_figures.count_screens(self._database, country.iso, quarter))
        note_ids = [note.note_id for note, _ in child_notes]
        if quarterly_figures.publish(self._database, country.iso, quarter, figures, note_ids):
            log.info("statistics_published", country=country.iso, count=len(figures))

    def _child_notes(self, country: Country, quarter: str) -> list[tuple[ChildNote, bool]]:
        """Return the data that staff recorded on the children of reports, and whether the quarter counts it.

        It is read once, when the quarter is published: a counter that grew with each report would show its child. What
        was recorded for an earlier quarter came too late to be counted, and is only deleted.
        """
        start, end = aggregation.quarter_start(quarter), aggregation.quarter_end(quarter)
        submitted = quarterly_figures.list_submitted(self._database, 0, end - 1)
        counts = {report.report_id: report.at >= start for report in submitted}
        notes = quarterly_figures.load_child_notes(self._database, country.iso)
        return [(note, counts[note.report_id]) for note in notes if note.report_id in counts]

    def _count_children(self, notes: Iterable[ChildNote]) -> dict[str, dict[str, int]]:
        """Return table → cell → number of reports. A later note of the same report replaces an earlier one."""
        recorded: dict[str, Mapping[str, Any]] = {}
        for note in notes:
            try:
                private_key = self._keys.of(note.recipient, note.key_id)
                context = SealContext.of_message(note.mode, note.report_id, note.note_id, note.recipient)
                opened = json.loads(
                    open_body(private_key, context, SealedBody(note.key_id, note.wrap, b"", note.sealed))
                )
            except (DecryptError, ValueError):
                continue
            if isinstance(opened, dict):
                recorded[note.report_id] = {**recorded.get(note.report_id, {}), **opened}
        counts: dict[str, dict[str, int]] = {}
        for fields in recorded.values():
            for table, cell in aggregation.child_cells(fields):
                cells = counts.setdefault(table, {})
                cells[cell] = cells.get(cell, 0) + 1
        return counts


def _offered_languages(
    country: Country,
    catalogues_by_tag: Mapping[str, catalogues.Catalogue],
    needed: Collection[str],
    drafts: Sequence[str],
) -> list[str]:
    """Return the country's languages, with English last: it is the fallback for all others."""
    offered = catalogues.offered_languages(country.languages, catalogues_by_tag, needed, drafts)
    return sorted((language.tag for language in offered), key=lambda tag: tag == "en")


class ChangeDetectionJob(BackgroundJob):
    """Detects changed numbers, addresses and keys once an hour: compares each country's digest with that in the audit.

    Each change is recorded in the audit, and the on-call contacts are notified. Nothing is blocked, because a change of
    a country file may be intended. Files and keys are read anew at each run, as `web` does. A change that is undone
    between two runs is not detected.
    """

    name, interval, start_delay, trusts_the_time = "swaps", 3600, 0, False

    def __init__(
        self,
        database: Database,
        names: Collection[str],
        read: Callable[[str], Country],
        keys: Path,
        notifier: Notifier,
    ) -> None:
        """Create the job. `names`: of the countries. `read`: reads one; it may raise CountryError."""
        super().__init__()
        self._database = database
        self._names = names
        self._read = read
        self._keys = keys
        self._notifier = notifier

    def run(self) -> None:
        """Check each country; a fault of one does not stop the others. Raises DatabaseUnavailable.

        A change is recorded once somebody was notified, so that an unavailable mail server suppresses no alert.
        """
        process_each(self.name, self._names, self._check_country, ids=lambda name: {"country": name})

    def _check_country(self, name: str) -> None:
        try:
            country = self._read(name)
        except CountryError:
            log.warning("country_unreadable", country=name)
            return
        before, now = audit_log.latest_fingerprint(self._database, country.iso), country_digest(country, self._keys)
        if before != now and (not before or self._notify(country)):
            audit_log.record_fingerprint(self._database, country.iso, now)

    def _notify(self, country: Country) -> bool:
        log.warning(ALERT_REASON, country=country.iso)
        people = self._notifier.contacts
        return not people or bool(
            self._notifier.notify(
                people, Alert(country.iso, ALERT_REASON, Priority.P4, ALERT_ADVICE[ALERT_REASON]).as_notification()
            )
        )


def country_digest(country: Country, keys: Path) -> str:
    """Return the digest of a country's numbers, addresses and the keys that bodies are sealed to."""
    facts = json.dumps([*_facts(country, keys)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:32]


def _facts(country: Country, keys: Path) -> Iterator[Mapping[str, Any]]:
    for number in country.emergency:
        yield {"service": number.service, "number": number.number, "withdrawn": number.withdrawn}
    for listed_hotline in country.hotlines.values():
        show, card = listed_hotline.show, listed_hotline.card
        yield {
            "hotline": listed_hotline.id,
            "numbers": [show.phone, *show.phone_alt, show.sms],
            "by_place": dict(show.by_place),
            "withdrawn": listed_hotline.withdrawn,
            "kind": listed_hotline.kind,
            "people": [list(card.duty_officer), list(card.supervisor), card.backup, card.regional],
            "agreed_on": card.key_id,
            "sealed_to": _sealed_to(keys, listed_hotline.id),
        }


def _sealed_to(keys: Path, hotline: str) -> str:
    try:
        keys_found = list_keys(keys, hotline)
    except KeyFileError:
        return ""
    return keys_found[0].public.key_id if keys_found else ""
