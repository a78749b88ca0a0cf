"""The recording of a reporter in a call, for a player on the report's page. Each request is audited first."""

from __future__ import annotations

from flask import Blueprint, Response, abort, request

from console.auth.access_control import READERS, StaffRequest, requires
from console.form_drafts import REPORT_ID
from console.services import services
from console.views.case import require_access
from reports.recordings import SOUNDS, kind_of_sound
from reports.store.cases import case_view

bp = Blueprint("recordings", __name__)

# The answer is only sound, also if its address is opened as a page.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; media-src 'self'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@bp.get("/reports/<report_id>/recordings/<recording_id>")
@requires(*READERS)
def hear(me: StaffRequest, report_id: str, recording_id: str) -> Response:
    """Return the decrypted sound of a recording, or a part of it.

    Some browsers ask for the first bytes before they play, and for others when the player is moved.
    """
    require_access(me, report_id)
    if not REPORT_ID.fullmatch(recording_id):
        abort(404)
    sealed = case_view.open_recording(services.database, me.account, report_id, recording_id)
    sound = services.decryptor.sound(sealed, report_id, recording_id) if sealed else None
    content_type = kind_of_sound(sound) if sound else None
    if sound is None or content_type is None:
        abort(404)
    response = Response(sound, content_type=content_type, headers=HEADERS)
    response.headers["Content-Disposition"] = f'inline; filename="recording.{SOUNDS[content_type]}"'
    response.make_conditional(request.environ, accept_ranges=True, complete_length=len(sound))
    return response
