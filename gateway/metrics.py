"""What `web` counts. No label holds anything of a person."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram

from flows.gsm7 import segments
from runtime import metrics_files

SEGMENTS = "Parts of SMS given to a provider: what it charges for"
SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

COUNTED: Mapping[str, str] = {
    "refused": "Requests without the right secret",
    "too_large": "Requests larger than their address takes, 256 KiB or for Twilio 32 KiB, of which nothing was read",
    "no_request": "What came in and was no HTTP request, or could be read as two: answered with 400",
    "inbound_unreadable": "USSD requests that nobody could read, answered with the numbers",
    "inbound_unread": "SMS that nobody could read, sealed for a person",
    "words_apart": "Times that words beyond what a conversation carries were filed apart",
    "inbound_not_utf8": "Values that were not UTF-8",
    "notice_unreadable": "End events, delivery reports and opt-outs that nobody could read",
    "failed": "Requests that met a fault of ours",
    "repeated": "Repeats that got the same answer again",
    "odd_turn": "Turns older than the last one, or no continuation of it",
    "lost": "Sessions that were kept and could not be opened",
    "session_keys_not_deleted": "Times that the keys of conversations that are over could not be deleted from the disk",
    "walk_lost": "Paths that could not be walked without guessing",
    "redis_away": "Requests that found Redis away",
    "waiting": "SMS kept until they can be answered",
    "reply_not_kept": "Replies that could not be kept for the worker",
    "spooled": "Reports that went to the spool",
    "not_sent": "Reporters who were told NOT SENT",
    "pending_not_kept": "Drafts in danger that could not be written",
    "pending_not_dropped": "Drafts that could not be deleted when asked",
    "erasure_not_recorded": "Deletions and opt-outs that a restored backup would undo, for the disk took no line",
    "pending_not_hurried": "Drafts that file themselves in their own time",
    "unknown_delivery_report": "Delivery reports about no message of ours, or of none yet",
    "unknown_delivery_status": "Delivery reports that say what we do not know",
    "slowed": "Callers who had read so many tips that the next ones have to wait",
    "shed": "Callers who were told that it is busy, so that reports get through",
    "calls_put_off": "New calls that got the numbers at once, so that calls under way are finished in time",
    "sms_put_off": "SMS answered with 503, because this process was late: their provider sends them again",
    "unproven_shed": "Requests answered with 503, because too many waited to have their signature checked",
    "code_guessed": "Wrong pairs of code and PIN",
    "over_5s": "Answers that took longer than 5 s",
    "blocks_event_loop": "Calls of the database or disk on the event loop's thread: a fault of ours, all callers wait",
}


class WebMetrics:
    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"tokaut_{name}", meaning, registry=self._registry) for name, meaning in COUNTED.items()
        }
        answers = Histogram(
            "tokaut_answer_seconds",
            "From the request to its answer",
            ["channel", "door"],
            registry=self._registry,
            buckets=SECONDS,
        )
        self._answers_at = cache(answers.labels)  # the library looks a door up under a lock, each time
        self._segments = Counter("tokaut_sms_segments", SEGMENTS, ["channel"], registry=self._registry)

    def count(self, name: str) -> None:
        self._counters[name].inc()

    def answered(self, channel: str, door: str, seconds: float) -> None:
        self._answers_at(channel, door).observe(seconds)
        if seconds > 5:
            self.count("over_5s")

    def loop_blocked(self, what: str) -> None:
        """Count a call that waited on the event loop's thread; which one, the log says."""
        del what
        self.count("blocks_event_loop")

    def replied(self, channel: str, text: str) -> None:
        """An SMS that rides in the answer to the provider."""
        self._segments.labels(channel).inc(segments(text))

    def page(self) -> bytes:
        """All of it in Prometheus' text form; with several processes, of all of them."""
        return metrics_files.render(self._registry)
