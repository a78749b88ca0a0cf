"""The tables of duty phones. All others, and these by their names, are in reports/store/tables.py."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, UniqueConstraint

from reports.store.columns import ID, MICROSECONDS, metadata

# A text to a duty phone of a hotline: for which delivery, the how-manieth, and the word that says "I have it".
page = Table(
    "page",
    metadata,
    Column("sms_id", ID, primary_key=True),  # of outgoing
    Column("delivery_id", ID, nullable=False),
    Column("hotline", String(64), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("word", String(6), nullable=False),
    Column("created_at", MICROSECONDS, nullable=False),
    UniqueConstraint("delivery_id", "rank"),
    Index("ix_page_word", "hotline", "word"),
)

# A word that came from a number that the hotline lists. web writes it and knows of no text; the clock compares.
phone_answer = Table(
    "phone_answer",
    metadata,
    Column("answer_id", ID, primary_key=True),
    Column("hotline", String(64), primary_key=True),
    Column("word", String(6), nullable=False),
    Column("at", MICROSECONDS, nullable=False),
    # 1: no text of this hotline has the word; 2: it is of a text from before its report became more urgent
    Column("wrong", Integer, nullable=False),
)
