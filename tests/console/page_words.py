"""Every sentence that the pages say in English, wherever it stands: what a catalogue of console/locales has to hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from console import (
    acts,
    deadlines,
    done,
    doors,
    drilling,
    emergency,
    entry,
    frame,
    handing_over,
    joining,
    operating,
    passwords,
    people,
    queue,
    reaching,
    report_page,
    telling,
)
from reports.triage import FLAG_LABELS, REASON_LABELS

CHANGES = ("TOOK_IT", "PASSED_IT", "TOOK_IT_OVER", "BACK_IN_QUEUE", "CLOSED_IT", "MOVED_IT", "WAITS_AGAIN")
CHANGES += ("YOU_CHANGED_IT",)
NEEDS = ("NOT_TAKEN", "STUCK", "LATE_STEPS", "IN_SPOOL", "NO_BACKUP", "OLD_BACKUP", "DISABLED")
TEMPLATES = Path(frame.__file__).parent / "templates"
SAID = re.compile(r"""\b_\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')\s*\)""")


def messages() -> frozenset[str]:
    return frozenset((*_in_templates(), *_in_code()))


def _in_templates() -> Iterator[str]:
    for path in TEMPLATES.glob("*.html"):
        for double, single in SAID.findall(path.read_text(encoding="utf-8")):
            yield double or single


def _in_code() -> Iterator[str]:
    yield from doors.ROLES
    yield from (sentence for sentence, _ in done.DONE.values() if sentence)
    yield from frame.HANDLING.values()
    yield from frame.ROLES_SAID.values()
    yield from report_page.OUTCOMES.values()
    yield report_page.WROTE_MORE
    yield from queue.STATES.values()
    yield from (*deadlines.LEFT.values(), *deadlines.OVER.values(), emergency.VERIFIED, emergency.NOT_VERIFIED)
    for sentences in (reaching.SENTENCES, reaching.NO_WAY, reaching.NO_MESSAGE, reaching.SHORT):
        yield from sentences.values()
    yield reaching.ALSO_MESSAGE
    yield from (*(getattr(report_page, name) for name in CHANGES), *frame.NAMELESS)
    yield from (acts.TAKE_OVER, acts.TAKEN_MEANWHILE, acts.PASSED_MEANWHILE, acts.CLOSED_MEANWHILE)
    yield from (*telling.SENTENCES, *telling.ROLES.values())
    yield from (*REASON_LABELS.values(), *FLAG_LABELS.values())
    yield from passwords.FAULTS
    yield entry.NOT_RIGHT
    yield from (getattr(operating, name) for name in NEEDS)
    yield from (joining.NOT_THE_SAME, joining.NO_CODE)
    yield from (people.NO_NAME, people.TAKEN, people.NOT_YOURSELF, people.AGAIN, people.ASKED, people.ALONE)
    yield from (people.TOO_LATE, people.ENDED, people.RESTORED)
    yield from (acts.NO_WORDS, acts.NO_REASON, acts.NO_OUTCOME, acts.NOT_NOW, acts.TWO, acts.SAME, acts.TOO_NEW)
    yield from (*drilling.NAMES.values(), *drilling.CAME.values(), drilling.IN_TIME, drilling.LATE, drilling.NOT_YET)
    yield from (drilling.NO_TIME, drilling.ONE, drilling.BEGUN)
    yield from (
        handing_over.NO_REASON,
        handing_over.NOT_SURE,
        handing_over.NOT_THERE,
        handing_over.NOT_NOW,
        handing_over.TWICE,
    )
