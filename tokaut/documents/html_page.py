"""The frame of an HTML page that is written to a file. The page loads nothing and sends no referrer."""

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
    """Return the page. `title` is plain text and is escaped. `style` (CSS) and `body` (HTML) must be our own."""
    return _PAGE.format(title=escape(title), style=style, body=body)
