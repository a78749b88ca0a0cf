"""Translations of the pages. As in the flows, the English text is the message id and each language is a .po file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flask import Request

from console.auth import cookies
from flows.catalogues import ENGLISH, Catalogue, load

FOLDER = Path(__file__).parent / "locales"


def load_page_catalogues() -> Mapping[str, Catalogue]:
    """Load the catalogues of the pages, by language tag."""
    return load(FOLDER)


def select_catalogue(request: Request, catalogues: Mapping[str, Catalogue]) -> Catalogue:
    """Select the language of the pages: by cookie, else by the Accept-Language header, else English."""
    if (tag := cookies.read(request, cookies.LANGUAGE)) in catalogues:
        return catalogues[tag]
    for accepted in request.accept_languages.values():
        if (tag := accepted.partition("-")[0].lower()) in catalogues:
            return catalogues[tag]
    return catalogues[ENGLISH]
