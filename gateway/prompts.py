"""Serve the recordings that a provider plays in calls: public files, the same for everybody."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, abort, send_from_directory

from gateway.messaging.speech import FILE, TAG

PROMPTS = "/prompts/"
MAX_AGE = 24 * 3600  # seconds; a recording never changes, because its name follows from its text
TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}


def blueprint(folder: Path) -> Blueprint:
    """Return the route of the recordings in a folder.

    An address names a language and a text of the product, and nothing of a call. Other files are not served.
    """
    recordings = Blueprint("prompts", __name__)

    @recordings.get(f"{PROMPTS}<language>/<file>")
    def play(language: str, file: str) -> Response:
        match = FILE.fullmatch(file)
        if not (match and TAG.fullmatch(language)):
            abort(404)
        answer = send_from_directory(folder / language, file, mimetype=TYPES[match[2]], max_age=MAX_AGE)
        answer.headers["Cache-Control"] = f"public, max-age={MAX_AGE}, immutable"
        return answer

    return recordings
