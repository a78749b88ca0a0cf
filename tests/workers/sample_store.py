"""Reports for the tests, sealed and submitted as web does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import select

from reports.crypto import PublicKey, SealContext, seal_body
from reports.crypto.key_files import create_key_pair
from reports.store import submissions as web
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.submissions import SealedCopy, Submission

ONE = "vu-pikinini"
TWO = "vu-womens-centre"
THREE = "vu-police"
WORDS = "the neighbour's boat is blue"
SECOND = 1_000_000


class Finishable(Protocol):
    """An object with threads of its own."""

    def finish(self) -> None:
        """End the threads."""
        ...


@dataclass
class SampleStore:
    """A database, the hotlines' keys, and methods that submit reports."""

    database: Database
    keys: Path
    public: Mapping[str, PublicKey] = field(default_factory=dict)
    opened: list[Database] = field(default_factory=list)
    harnesses: list[Finishable] = field(default_factory=list)

    @classmethod
    def create(cls, database: Database, keys: Path) -> SampleStore:
        return cls(database, keys, {name: create_key_pair(keys, name) for name in (ONE, TWO, THREE)})

    def sealed(
        self,
        recipients: Sequence[tuple[str, str]] = ((ONE, "primary"),),
        *,
        priority: str = "P1",
        completeness: str = "complete",
        revision: int = 1,
        before: Any = None,  # a Submission or a row of `report`
        mode: str = "demo",
    ) -> Submission:
        """Return a sealed revision for these (hotline, role). `before`: an earlier revision of the same report."""
        now = self.database.now()
        report_id = before.report_id if before else new_id(now)
        parts = []
        for name, role in recipients:
            data = f'{{"report_id":"{report_id}","revision":{revision},"narrative":"{WORDS}"}}'.encode()
            box = seal_body(self.public[name], SealContext(mode, report_id, revision, name), b"{}", data)
            why = "CATEGORY_FIRST" if role == "primary" else "CATEGORY"
            parts.append(SealedCopy(name, role, why, box.key_id, box.wrap, box.head, box.sealed))
        return Submission(
            report_id=report_id,
            origin_key=before.origin_key if before else report_id.encode()[:32],
            revision=revision,
            created_at=now,
            country="VU",
            mode=mode,
            priority=priority,
            completeness=completeness,
            parts=tuple(parts),
        )

    def submit(self, recipients: Sequence[tuple[str, str]] = ((ONE, "primary"),), **how: Any) -> list[str]:
        """Submit a report as Send does; return the delivery ids in the order of the recipients."""
        submission = self.sealed(recipients, **how)
        return list(web.commit(self.database, submission).deliveries)

    def later(self, **more: float) -> SampleStore:
        """Return the same store with a clock that is ahead by `seconds`, `minutes`, `hours` and `days`."""
        seconds = more.get("seconds", 0) + 60 * more.get("minutes", 0) + 3600 * more.get("hours", 0)
        seconds += 86400 * more.get("days", 0)
        address = self.database.engine.url.render_as_string(hide_password=False)
        moved = type(self.database)(address, threads=2, offset=self.database.offset / SECOND + seconds)
        self.opened.append(moved)
        return replace(self, database=moved)

    def delivery(self, delivery_id: str) -> Any:
        with self.database.read() as connection:
            return connection.execute(select(t.delivery).where(t.delivery.c.delivery_id == delivery_id)).one()

    def deliveries(self) -> list[Any]:
        with self.database.read() as connection:
            return list(
                connection.execute(select(t.delivery).order_by(t.delivery.c.created_at, t.delivery.c.delivery_id))
            )

    def reports(self) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(t.report).order_by(t.report.c.created_at)))

    def acts(self, object_id: str) -> list[str]:
        with self.database.read() as connection:
            query = select(t.audit.c.act).where(t.audit.c.object_id == object_id).order_by(t.audit.c.at)
            return list(connection.execute(query).scalars())
