"""Simulated reporters, many at a time, who call until "Sent" during faults and record what they did and saw.

They run in a process of their own, `python -m tests.faults.callers PLAN`, so that they do not delay the kills. It
prints "posted MARKER" when Send is posted and "sent MARKER" when "Sent" is seen: kills are aimed by these lines.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.call import Call, CallFailed
from tests.faults.caller_script import CallerScript, make_script
from tests.faults.client import Client
from tests.faults.handset_channels import AfricasTalkingSms, AfricasTalkingUssd, PhoneChannel, ProviderAccess
from tests.faults.json_lines import JsonLinesFile
from tests.faults.sms_provider import SmsProvider

MAX_CALLS = 12
DIALS_AGAIN_AFTER = 3.0  # seconds, at most
SYNC_EACH = 0.05  # seconds; "Sent" is synced at once


@dataclass(frozen=True)
class Plan:
    """Arguments of the reporters' process.

    `secrets`: of each open channel. `texts_at`: the address that receives SMS. `certificate`: web's own certificate
    file, for https. `each_second`: reporters who begin in a second; 0: begin as soon as another one has ended.
    """

    web: str
    secrets: Mapping[str, str]
    texts_port: int
    reports: int
    at_a_time: int
    seed: int
    ledger: str
    texts_at: str = "127.0.0.1"
    certificate: str = ""
    each_second: float = 0

    def written(self) -> str:
        """Return the plan as JSON."""
        return json.dumps(asdict(self))


@dataclass
class Callers:
    """All simulated reporters of a run."""

    plan: Plan
    ledger: JsonLinesFile
    access: ProviderAccess
    next: int = 0
    gave_up: int = 0

    def __post_init__(self) -> None:
        self._trust = ssl.create_default_context(cafile=self.plan.certificate) if self.plan.certificate else None

    def client(self) -> Client:
        """Return a connection to web that is not open yet."""
        return Client(self.plan.web, self._trust)

    async def run(self) -> None:
        """Let all reporters call, `at_a_time` at once."""
        self._began = time.monotonic()
        writing = asyncio.create_task(self._write())
        await asyncio.gather(*(self._one_after_the_other() for _ in range(self.plan.at_a_time)))
        writing.cancel()

    def said(self, what: str, marker: str) -> None:
        """Print an event for the parent process."""
        sys.stdout.write(f"{what} {marker}\n")
        sys.stdout.flush()

    async def _one_after_the_other(self) -> None:
        while self.next < self.plan.reports:
            index, self.next = self.next, self.next + 1
            if self.plan.each_second:
                await asyncio.sleep(self._began + index / self.plan.each_second - time.monotonic())
            try:
                await self._report(index)
            except Exception as error:  # an error of the experiment is not a reporter who gave up
                self.ledger.add(event="fault", index=index, why=repr(error))

    async def _report(self, index: int) -> None:
        """Call until "Sent" is seen, at most `MAX_CALLS` times."""
        marker = 0
        for attempt in range(MAX_CALLS):
            script = make_script(self.plan.seed, index, marker)
            chance = random.Random(f"call {self.plan.seed} {index} {attempt}")
            try:
                await Call(self, script, self._line(script), chance, may_drop=attempt == 0).walk()
                return
            except CallFailed as gone:
                self.ledger.write(event="gone", marker=script.phone, why=str(gone), at=time.time())
                marker += gone.is_uncertain or script.in_danger  # a call dropped in danger is already a report
                await asyncio.sleep(min(0.3 * 2**attempt, DIALS_AGAIN_AFTER))
        self.gave_up += 1

    def _line(self, script: CallerScript) -> PhoneChannel:
        line = script.line
        if line.needs not in self.access.secrets:
            line = AfricasTalkingSms if script.sms else AfricasTalkingUssd
        return line(self.access, script.phone)

    async def _write(self) -> None:
        while True:
            self.ledger.sync()
            await asyncio.sleep(SYNC_EACH)


async def main(plan: Plan) -> None:
    inbox = SmsProvider()
    await inbox.listen(plan.texts_port, plan.texts_at)
    ledger = JsonLinesFile(Path(plan.ledger))
    callers = Callers(plan, ledger, ProviderAccess(plan.web, plan.secrets, inbox))
    await callers.run()
    ledger.close()
    callers.said("over", str(callers.gave_up))
    await asyncio.Event().wait()  # SMS to the reporters are still received


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(sys.argv[1]))))
