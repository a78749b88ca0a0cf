"""The words of the pages, by the mechanism of the flows: English is the message id, a .po file is a language."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Request

from console.auth import cookies
from flows.catalogues import ENGLISH, Catalogue, load

FOLDER = Path(__file__).parent / "locales"


def loaded() -> Mapping[str, Catalogue]:
    return load(FOLDER)


def chosen(request: Request, catalogues: Mapping[str, Catalogue]) -> Catalogue:
    """What was chosen in this browser; else the first that the browser asks for and that there is."""
    if (tag := cookies.read(request, cookies.LANGUAGE)) in catalogues:
        return catalogues[tag]
    for wanted in request.accept_languages.values():
        if (tag := wanted.partition("-")[0].lower()) in catalogues:
            return catalogues[tag]
    return catalogues[ENGLISH]
