"""Simulated reporters, many at a time, who call until "Sent" during faults and record what they did and saw.

They run in a process of their own, `python -m tests.faults.callers PLAN`, so that they do not delay the kills. It
prints "posted MARKER" when Send is posted and "sent MARKER" when "Sent" is seen: kills are aimed by these lines.
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

from tests.faults.call import Call, CallFailed
from tests.faults.caller_script import CallerScript, make_script
from tests.faults.handset_channels import AfricasTalkingUssd, Line, ProviderAccess
from tests.faults.ledger import Ledger
from tests.faults.sms_provider import SmsProvider

MOST_CALLS = 12
DIALS_AGAIN_AFTER = 3.0  # seconds, at most
SYNC_EACH = 0.05  # seconds; "Sent" is synced at once


@dataclass(frozen=True)
class Plan:
    """What the process is started with. `secrets`: of each open channel."""

    web: str
    secrets: Mapping[str, str]
    texts_port: int
    reports: int
    at_a_time: int
    seed: int
    ledger: str

    def written(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))


@dataclass
class Callers:
    """All simulated reporters of a run."""

    plan: Plan
    ledger: Ledger
    access: ProviderAccess
    next: int = 0
    gave_up: int = 0

    async def run(self) -> None:
        """Let all reporters call, `at_a_time` at once."""
        writing = asyncio.create_task(self._write())
        await asyncio.gather(*(self._one_after_the_other() for _ in range(self.plan.at_a_time)))
        writing.cancel()

    def said(self, what: str, marker: str) -> None:
        """Print an event for the process that started this one."""
        sys.stdout.write(f"{what} {marker}\n")
        sys.stdout.flush()

    async def _one_after_the_other(self) -> None:
        while self.next < self.plan.reports:
            index, self.next = self.next, self.next + 1
            try:
                await self._report(index)
            except Exception as error:  # a fault of the experiment is not a reporter who gave up
                self.ledger.add(event="fault", index=index, why=repr(error))

    async def _report(self, index: int) -> None:
        """Call until "Sent" is seen, at most `MOST_CALLS` times."""
        marker = 0
        for attempt in range(MOST_CALLS):
            script = make_script(self.plan.seed, index, marker)
            chance = random.Random(f"call {self.plan.seed} {index} {attempt}")
            try:
                await Call(self, script, self._line(script), chance, may_drop=attempt == 0).walk()
                return
            except CallFailed as gone:
                self.ledger.write(event="gone", marker=script.phone, why=str(gone), at=time.time())
                marker += gone.is_uncertain or script.in_danger  # a dropped call in danger is a report already
                await asyncio.sleep(min(0.3 * 2**attempt, DIALS_AGAIN_AFTER))
        self.gave_up += 1

    def _line(self, script: CallerScript) -> Line:
        needs = script.line.needs
        return (script.line if not needs or needs in self.access.secrets else AfricasTalkingUssd)(
            self.access, script.phone
        )

    async def _write(self) -> None:
        while True:
            self.ledger.sync()
            await asyncio.sleep(SYNC_EACH)


async def main(plan: Plan) -> None:
    inbox = SmsProvider()
    await inbox.listen(plan.texts_port)
    ledger = Ledger(Path(plan.ledger))
    callers = Callers(plan, ledger, ProviderAccess(plan.web, plan.secrets, inbox))
    await callers.run()
    ledger.close()
    callers.said("over", str(callers.gave_up))
    await asyncio.Event().wait()  # SMS to the reporters are still received


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(sys.argv[1]))))
