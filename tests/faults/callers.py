"""Callers, many at a time, who walk to "Sent" while things break, and write down what they did and saw.

A process of their own, `python -m tests.faults.callers PLAN`, so that the kills are on time. A line on standard output
for each Send that goes off ("posted MARKER") and each "Sent" that comes ("sent MARKER"): what the kills are aimed by.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.call import Call, Gone
from tests.faults.ledger import Ledger
from tests.faults.lines import Dialled, Doors, Line
from tests.faults.story import Story, tell
from tests.faults.texts import Inbox

MOST_CALLS = 12
DIALS_AGAIN_AFTER = 3.0  # seconds, at most
SYNC_EACH = 0.05  # seconds; a "Sent" is on the disk at once


@dataclass(frozen=True)
class Plan:
    """`secrets`: of each channel that is open."""

    web: str
    secrets: Mapping[str, str]
    texts_port: int
    reports: int
    at_a_time: int
    seed: int
    ledger: str

    def written(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class Callers:
    plan: Plan
    ledger: Ledger
    doors: Doors
    next: int = 0
    gave_up: int = 0

    async def all(self) -> None:
        writing = asyncio.create_task(self._write())
        await asyncio.gather(*(self._one_after_the_other() for _ in range(self.plan.at_a_time)))
        writing.cancel()

    def said(self, what: str, marker: str) -> None:
        sys.stdout.write(f"{what} {marker}\n")
        sys.stdout.flush()

    async def _one_after_the_other(self) -> None:
        while self.next < self.plan.reports:
            index, self.next = self.next, self.next + 1
            try:
                await self._report(index)
            except Exception as error:  # a fault of the experiment must not pass for a caller that gave up
                self.ledger.add(event="fault", index=index, why=repr(error))

    async def _report(self, index: int) -> None:
        """Call until "Sent" is seen."""
        marker = 0
        for attempt in range(MOST_CALLS):
            story = tell(self.plan.seed, index, marker)
            chance = random.Random(f"call {self.plan.seed} {index} {attempt}")
            try:
                await Call(self, story, self._line(story), chance, may_drop=attempt == 0).walk()
                return
            except Gone as gone:
                self.ledger.write(event="gone", marker=story.phone, why=str(gone), at=time.time())
                marker += gone.anew or story.in_danger  # who dropped in danger has been heard already
                await asyncio.sleep(min(0.3 * 2**attempt, DIALS_AGAIN_AFTER))
        self.gave_up += 1

    def _line(self, story: Story) -> Line:
        needs = story.line.needs
        return (story.line if not needs or needs in self.doors.secrets else Dialled)(self.doors, story.phone)

    async def _write(self) -> None:
        while True:
            self.ledger.sync()
            await asyncio.sleep(SYNC_EACH)


async def main(plan: Plan) -> None:
    inbox = Inbox()
    await inbox.listen(plan.texts_port)
    ledger = Ledger(Path(plan.ledger))
    callers = Callers(plan, ledger, Doors(plan.web, plan.secrets, inbox))
    await callers.all()
    ledger.close()
    callers.said("over", str(callers.gave_up))
    await asyncio.Event().wait()  # what is still to be texted to them is taken


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(sys.argv[1]))))
