"""The board of a lead: the current state of the own hotline. It has counts and times, no report, and no download."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response

from console.auth.access_control import LEAD, StaffRequest, requires
from console.responses import page
from console.services import hotline_zone, services
from reports.store.cases import board
from runtime.time_units import MINUTE, SECOND

bp = Blueprint("board", __name__)


@bp.get("/board")
@requires(LEAD, reloads=True)
def show_board(me: StaffRequest) -> Response:
    """Show the board."""
    return _render("board.html", me)


@bp.get("/board/now")
@requires(LEAD, quiet=True)
def reload_board(me: StaffRequest) -> Response:
    """Return the part of the board that its script reloads."""
    return _render("board_now.html", me)


def _render(template: str, me: StaffRequest) -> Response:
    data = board.load_board(services.database, me.account, _day_start(me.account.hotline, services.database.now()))
    ages = {
        priority: (data.now - waiting.oldest_at) // MINUTE
        for priority, waiting in data.waiting.items()
        if waiting.oldest_at is not None
    }
    return page(template, me=me, found=data, ages=ages, minutes=lambda at: (data.now - at) // MINUTE)


def _day_start(hotline: str, now: int) -> int:
    """Return when the day began on the hotline's clock, in microseconds."""
    local = datetime.fromtimestamp(now // SECOND, hotline_zone(hotline))
    return int(local.replace(hour=0, minute=0, second=0).timestamp()) * SECOND
