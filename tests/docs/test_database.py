"""docs/reference/database.md has every table with its key and columns, no other, and the rights of each table."""

from __future__ import annotations

import re

from reports.store.privileges.rights import RIGHTS
from reports.store.schema.tables import metadata
from tests.docs.pages import part, read

PAGE = "docs/reference/database.md"
_NAME = re.compile(r"`(\w+)`")


def test_every_table_and_column_is_described_and_no_other() -> None:
    tables, _, _ = read(PAGE).partition("## Rights")
    sections = re.split(r"^### (\w+)\n", tables, flags=re.MULTILINE)[1:]
    described = {name: _columns(text) for name, text in zip(sections[::2], sections[1::2], strict=True)}
    assert described == {
        name: (sorted(table.primary_key.columns.keys()), sorted(table.columns.keys()))
        for name, table in metadata.tables.items()
    }


def test_every_table_has_a_line_of_rights() -> None:
    assert re.findall(r"^\| `(\w+)` \|", part(PAGE, "rights"), re.MULTILINE) == list(RIGHTS)
    assert set(RIGHTS) - {"alembic_version"} == set(metadata.tables)


def _columns(section: str) -> tuple[list[str], list[str]]:
    """Return the key, and all columns: those of the lines "Key: … Also: …", and of each item "* `name`: …"."""
    listed = re.search(r"^Key: ([^.]+)\.(?:\s+Also: ([^.]+)\.)?", section, re.MULTILINE)
    assert listed, section
    key, also = _NAME.findall(listed[1]), _NAME.findall(listed[2] or "")
    items = _NAME.findall(" ".join(re.findall(r"^\* ((?:`\w+`(?:, )?)+):", section, re.MULTILINE)))
    return sorted(key), sorted([*also, *items, *(name for name in key if name not in items)])
