"""docs/store.md has every table and column, no other, and the rights of each table."""

from __future__ import annotations

import re

from reports.store.privileges.rights import RIGHTS
from reports.store.schema.tables import metadata
from tests.docs.pages import part, read


def test_every_table_and_column_is_described_and_no_other() -> None:
    tables, _, _ = read("docs/store.md").partition("## Who may do what")
    sections = re.split(r"^### (\w+)\n", tables, flags=re.MULTILINE)[1:]
    told = {
        name: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert told == {name: [column.name for column in table.columns] for name, table in metadata.tables.items()}


def test_every_table_has_a_line_of_rights() -> None:
    assert re.findall(r"^\| `(\w+)` \|", part("docs/store.md", "rights"), re.MULTILINE) == list(RIGHTS)
    assert set(RIGHTS) - {"alembic_version"} == set(metadata.tables)
