"""Fetch the recordings of calls, seal them to the hotlines of their reports, and delete them at the provider.

Each step may run twice, or in two schedulers at once: a message and a copy are stored once, and deleting a recording
that is gone succeeds. If a recording cannot be fetched, the hotlines get a message that somebody spoke. If the
provider's notice of a recording was lost, the scheduler asks the provider what it recorded in that call.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from reports.countries.country import Countries
from reports.crypto import DecryptError, PublicKey, SealContext, SealedBody, open_body, seal_body
from reports.crypto.key_files import SENDER_KEY, KeyFileError, load_public_keys
from reports.escalation import Priority
from reports.json_bodies import MessageKind, message_json
from reports.recordings import (
    ALERT_AFTER,
    GIVE_UP_AFTER,
    LEAVE_AFTER,
    NOTIFY_AFTER,
    RecordingState,
    kind_of_sound,
)
from reports.store.engine.database import Database, DatabaseUnavailable, RowRefused
from reports.store.mailboxes import correspondence, recordings
from reports.store.mailboxes.correspondence import SealedMessage
from reports.store.mailboxes.recordings import DueRecording, RecordingAtProvider, SealedRecording
from reports.store.row_isolation import process_each
from reports.store.schema.base import derived_id
from runtime.time_units import SECOND
from workers.jobs.alerts import AlertSender
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.network.sound_fetch import RecordingSource, RecordingUnavailable
from workers.notifications.texts import ALERT_ADVICE, Alert
from workers.thread_pool import BackgroundJob

THREADS = 2  # a provider that does not answer must not delay another

log = structlog.get_logger()


class RecordingJob(BackgroundJob):
    """Runs the next step of each recording, in separate threads."""

    name, interval, start_delay, trusts_the_time = "recordings", 2, 2, False

    def __init__(
        self,
        database: Database,
        *,
        keys: Path,
        countries: Countries,
        sources: Mapping[str, RecordingSource],
        alert_sender: AlertSender,
        metrics: WorkerMetrics,
    ) -> None:
        """Create the job. `keys`: the folder of keys. `sources`: by channel; a disabled channel has none."""
        super().__init__(THREADS)
        self._database = database
        self._keys = keys
        self._key_ring = KeyRing(keys)
        self._countries = countries
        self._sources = sources
        self._alert_sender = alert_sender
        self._metrics = metrics
        self._under_way: set[str] = set()
        self._lock = threading.Lock()

    def run(self) -> None:
        """Run the next step of each due recording. Raises DatabaseUnavailable."""
        process_each(
            "recordings",
            recordings.list_due(self._database),
            self._step_once,
            ids=lambda due: {"channel": due.channel},
            on_fault=self._postpone_after_fault,
        )

    def _step_once(self, due: DueRecording) -> None:
        """Run the next step, unless the job is stopping or another thread runs it."""
        if self._stopping.is_set() or not self._claim(due.recording_id):
            return
        try:
            self._step(due)
        except RowRefused:
            raise
        except DatabaseUnavailable:  # or this recording is too large for the database
            self._postpone_after_fault(due)  # raises the same if the database is unavailable
            log.warning("database_unavailable", job=self.name)
        finally:
            with self._lock:
                self._under_way.discard(due.recording_id)

    def _postpone_after_fault(self, due: DueRecording) -> None:
        """Postpone a step that a bug or the database stopped. If it has waited for long, alert the operator."""
        recordings.postpone(self._database, due, "our_fault")
        if self._database.now() - due.created_at > ALERT_AFTER:
            is_stored = due.state == RecordingState.REMOVING
            self._alert(due, "recording_not_deleted" if is_stored else "recording_missing", Priority.P2)

    def _claim(self, recording_id: str) -> bool:
        with self._lock:
            is_free = recording_id not in self._under_way
            self._under_way.add(recording_id)
        return is_free

    def _step(self, due: DueRecording) -> None:
        if due.state == RecordingState.EXPECTED:
            self._search(due)
        elif due.state == RecordingState.DUE:
            self._fetch(due)
        else:
            self._delete(due)

    def _search(self, due: DueRecording) -> None:
        """Ask the provider for a recording that it never reported. If there is none, end the wait."""
        try:
            is_found = self._store_unreported(due)
        except RecordingUnavailable as error:
            self._handle_failed_search(due, error)
            return
        if is_found:
            return
        if self._notify(due, "not_received"):
            if recordings.finish(self._database, due, RecordingState.DONE, "not_received"):
                self._count(due, "not_received")
        else:
            recordings.postpone(self._database, due, "no_key")

    def _store_unreported(self, due: DueRecording) -> bool:
        """Ask the provider which recordings a call has, and store those that it did not name before.

        Returns False if there are none. Raises RecordingUnavailable, also if the call may have another report.
        """
        if due.sealed is None:  # stored by web before an upgrade
            return False
        call = self._provider_name(due, "call")
        before = recordings.list_named(self._database, due.report_id)
        sources = self._source(due).find(call)
        named = recordings.list_named(self._database, due.report_id)
        named_sources = {self._provider_name(recording) for recording in (*before, *named)}
        unreported = [self._at_provider(due, source) for source in sources if source not in named_sources]
        if not unreported:
            return False
        if recordings.has_neighbours(self._database, due):
            raise RecordingUnavailable("not_deleted", is_final=True)  # a person must look whose they are
        waits = recordings.list_expected(self._database, due.report_id)
        ended = [expected.recording_id for expected in waits if self._provider_name(expected, "call") == call]
        if recordings.find(self._database, due, unreported, ended, [recording.recording_id for recording in named]):
            self._count(due, "found")
        return True  # or a notice has arrived meanwhile, and the next round sees it

    def _at_provider(self, due: DueRecording, source: str) -> RecordingAtProvider:
        recording_id = derived_id(hashlib.sha256(f"found {due.recording_id} {source}".encode()).digest())
        try:
            key = load_public_keys(self._keys, [SENDER_KEY])[SENDER_KEY]
        except KeyFileError:
            raise RecordingUnavailable("no_key") from None
        context = SealContext(due.mode, recording_id, 1, SENDER_KEY)
        body = seal_body(key, context, b"", json.dumps({"source": source}).encode())
        return RecordingAtProvider(recording_id, due.channel, due.mode, body.key_id, body.wrap, body.sealed)

    def _handle_failed_search(self, due: DueRecording, error: RecordingUnavailable) -> None:
        """Notify the hotlines, and ask again for a day. Then a person has to look at the provider."""
        waited = self._database.now() - due.created_at
        self._count(due, error.reason)
        log.warning("recording_unavailable", channel=due.channel, reason=error.reason, attempt=due.attempt + 1)
        is_notified = self._notify(due, error.reason)
        if is_notified and (error.is_final or waited > GIVE_UP_AFTER):
            self._alert(due, "recording_not_deleted", Priority.P2)
            recordings.finish(self._database, due, RecordingState.LEFT, error.reason)
        else:
            recordings.postpone(self._database, due, error.reason)

    def _fetch(self, due: DueRecording) -> None:
        if not due.is_wanted:  # the report was deleted meanwhile
            recordings.remove(self._database, due, "withdrawn")
            return
        try:
            sound = self._source(due).fetch(self._provider_name(due))
        except RecordingUnavailable as error:
            self._handle_failed_fetch(due, error)
            return
        if self._store(due, sound):
            recordings.remove(self._database, due, "delivered")
        else:
            recordings.postpone(self._database, due, "no_key")

    def _handle_failed_fetch(self, due: DueRecording, error: RecordingUnavailable) -> None:
        waited = self._database.now() - due.created_at
        self._count(due, error.reason)
        log.warning("recording_unavailable", channel=due.channel, reason=error.reason, attempt=due.attempt + 1)
        is_notified = (error.is_final or waited > NOTIFY_AFTER) and self._notify(due, error.reason)
        if is_notified and (error.is_final or waited > GIVE_UP_AFTER):
            recordings.remove(self._database, due, error.reason)
        else:
            recordings.postpone(self._database, due, error.reason)

    def _store(self, due: DueRecording, sound: bytes) -> bool:
        """Seal the sound to each hotline of the route, with a message that names it.

        Returns False if no hotline has a key here: then nothing may be deleted at the provider.
        """
        about = {
            "content_type": kind_of_sound(sound),
            "bytes": len(sound),
            "sha256": hashlib.sha256(sound).hexdigest(),
        }
        public_keys = self._public_keys(due.report_id)
        if not public_keys:
            return False
        copies = [self._copy(due, hotline, key, sound) for hotline, key in public_keys.items()]
        sealed_messages = self._seal_messages(due, due.recording_id, MessageKind.RECORDING, public_keys, about)
        if recordings.store(self._database, due, due.recording_id, sealed_messages, copies):
            self._count(due, "delivered")
            log.info("recording_stored", channel=due.channel, report_id=due.report_id)
        return True

    def _notify(self, due: DueRecording, reason: str) -> bool:
        """Notify the hotlines and the operator once that somebody spoke and the sound is missing.

        Returns False if no hotline has a key here.
        """
        if due.told_at is not None or not due.is_wanted:
            return True
        message_id = derived_id(hashlib.sha256(f"missing {due.recording_id}".encode()).digest())
        public_keys = self._public_keys(due.report_id)
        if not public_keys:
            return False
        sealed_messages = self._seal_messages(due, message_id, MessageKind.RECORDING_MISSING, public_keys)
        if recordings.store(self._database, due, message_id, sealed_messages):
            log.warning("recording_missing", channel=due.channel, report_id=due.report_id, reason=reason)
            self._alert(due, "recording_missing", Priority.P2)
        return True

    def _delete(self, due: DueRecording) -> None:
        """Delete a recording at the provider."""
        try:
            self._source(due).delete(self._provider_name(due))
        except RecordingUnavailable as error:
            self._handle_failed_deletion(due, error)
            return
        recordings.finish(self._database, due, RecordingState.DONE, "gone")

    def _handle_failed_deletion(self, due: DueRecording, error: RecordingUnavailable) -> None:
        waited = self._database.now() - due.created_at
        self._count(due, error.reason)
        if error.reason == "not_deleted":  # the provider's API cannot delete; see the docs
            recordings.finish(self._database, due, RecordingState.LEFT, error.reason)
            return
        log.warning("recording_not_deleted", channel=due.channel, reason=error.reason, attempt=due.attempt + 1)
        if error.is_final or waited > ALERT_AFTER:
            self._alert(due, "recording_not_deleted", Priority.P2)
        if error.is_final or waited > LEAVE_AFTER:
            recordings.finish(self._database, due, RecordingState.LEFT, error.reason)
        else:
            recordings.postpone(self._database, due, error.reason)

    def _alert(self, due: DueRecording, reason: str, priority: Priority) -> None:
        self._alert_sender.add_hourly(Alert(due.channel, reason, priority, ALERT_ADVICE[reason]))

    def _count(self, due: DueRecording, outcome: str) -> None:
        self._metrics.recordings.labels(due.channel, outcome).inc()

    def _source(self, due: DueRecording) -> RecordingSource:
        source = self._sources.get(due.channel)
        if source is None:
            raise RecordingUnavailable("no_channel")
        return source

    def _provider_name(self, recording: DueRecording | RecordingAtProvider, name: str = "source") -> str:
        """Return the provider's name of the recording, or of its call.

        Raises RecordingUnavailable if it cannot be decrypted.
        """
        sealed_body = SealedBody(recording.key_id or "", recording.wrap or b"", b"", recording.sealed or b"")
        context = SealContext(recording.mode, recording.recording_id, 1, SENDER_KEY)
        try:
            opened = json.loads(open_body(self._key_ring.of(SENDER_KEY, sealed_body.key_id), context, sealed_body))
        except (DecryptError, ValueError):
            raise RecordingUnavailable("no_key") from None
        return str(opened[name])

    def _public_keys(self, report_id: str) -> dict[str, PublicKey]:
        """Return the keys of the hotlines that may get the report; without a route, of all hotlines of its country."""
        iso, hotlines = correspondence.current_recipients(self._database, report_id)
        country = self._countries.get(iso)
        recipients = hotlines or (tuple(country.hotlines) if country else ())
        return {hotline: key for hotline in recipients if (key := self._public_key(hotline)) is not None}

    def _public_key(self, hotline: str) -> PublicKey | None:
        try:
            return load_public_keys(self._keys, [hotline])[hotline]
        except KeyFileError:
            log.warning("key_missing", hotline=hotline)
            return None

    def _copy(self, due: DueRecording, hotline: str, key: PublicKey, sound: bytes) -> SealedRecording:
        context = SealContext.of_recording(due.mode, due.report_id, due.recording_id, hotline)
        sealed_body = seal_body(key, context, b"", sound)
        return SealedRecording(hotline, sealed_body.key_id, sealed_body.wrap, sealed_body.sealed)

    def _seal_messages(
        self,
        due: DueRecording,
        message_id: str,
        kind: MessageKind,
        public_keys: Mapping[str, PublicKey],
        about: Mapping[str, Any] | None = None,
    ) -> Sequence[SealedMessage]:
        message = message_json(
            report_id=due.report_id,
            message_id=message_id,
            mode=due.mode,
            created_at=due.created_at // SECOND,
            kind=kind,
            recording=about,
        )
        sealed_messages = []
        for hotline, key in public_keys.items():
            sealed_body = seal_body(
                key, SealContext.of_message(due.mode, due.report_id, message_id, hotline), b"", message
            )
            sealed_messages.append(SealedMessage(hotline, sealed_body.key_id, sealed_body.wrap, sealed_body.sealed))
        return sealed_messages
