"""The sent reports of one phone, which Redis remembers for 24 hours so that a hotline can link them (decision 91)."""

from __future__ import annotations

from typing import Final

from msgspec import DecodeError, Struct
from msgspec.json import Decoder, Encoder

from reports.report import MAX_EARLIER

SLOTS: Final = MAX_EARLIER  # reports that are remembered of one phone; a further one replaces the oldest


class SentReport(Struct, frozen=True, array_like=True):
    """The data of a sent report that this phone's next call needs.

    `hotlines`: of its route. `with_number`: the reporter allowed contact, so the report holds the phone number.
    `sent_at`: Unix seconds; 0 if an earlier release stored it.
    """

    report_id: str
    hotlines: tuple[str, ...]
    with_number: bool
    sent_at: int = 0


class PhoneHistory(Struct, frozen=True):
    """The sent reports of a phone in the last 24 hours.

    `count`: how many reports it sent. `number`: that of the report being counted; no other report of these 24 hours
    has it. `reports`: the last of them, in no order.
    """

    count: int
    number: int
    reports: tuple[SentReport, ...] = ()


class NewMemory(Struct, frozen=True):
    """A report to remember. `sender`: the sender's key. `number`: of this report among those of the phone."""

    sender: str
    number: int
    report: SentReport

    @property
    def slot(self) -> int:
        """Return the slot to write. The counter is atomic, so two reports at once never get the same slot."""
        return self.number % SLOTS


_encode: Final = Encoder().encode
_DECODER: Final = Decoder(SentReport)


def pack_sent(report: SentReport) -> bytes:
    """Encode a report to be sealed."""
    return _encode(report)


def unpack_sent(raw: bytes) -> SentReport | None:
    """Decode a report; None if its shape is unknown, as after an upgrade."""
    try:
        return _DECODER.decode(raw)
    except DecodeError:
        return None


def linked_ids(reports: tuple[SentReport, ...], report_id: str, hotline: str, *, with_number: bool) -> tuple[str, ...]:
    """Return the ids of earlier reports that a report may name to a hotline.

    These are reports to the same hotline, and only those with the same choice about the number: a report without the
    number must not be linked with one that shows it. `report_id`: of the report itself; a repeated Send finds it, too.
    """
    return tuple(
        dict.fromkeys(
            report.report_id
            for report in reports
            if report.report_id != report_id and hotline in report.hotlines and report.with_number == with_number
        )
    )
