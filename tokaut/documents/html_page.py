"""The frame of a page that is written to a file: it fetches nothing, and tells nobody where it is read."""

from __future__ import annotations

from html import escape

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer"><title>{title}</title>
<style>
{style}
</style></head>
<body>
{body}
</body></html>
"""


def html_document(title: str, style: str, body: str) -> str:
    """`title` is text; `style` is CSS and `body` HTML, both our own."""
    return _PAGE.format(title=escape(title), style=style, body=body)
