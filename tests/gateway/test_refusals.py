"""Refused requests are logged: the first at once, a flood in one line a minute."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from gateway.admission import LOG_EVERY_SECONDS, RefusalLog


def lines(*refusals: tuple[float, str, str | None]) -> list[dict[str, Any]]:
    """Return the log lines of refusals at these times (seconds, reason, channel)."""
    clock = iter([second for second, _, _ in refusals])
    found = RefusalLog(lambda: next(clock))
    with capture_logs() as logged:
        for _, reason, channel in refusals:
            found.add(reason, channel)
    return [{name: line[name] for name in ("event", "reason", "channel", "count")} for line in logged]


def line(reason: str, channel: str | None, count: int) -> dict[str, Any]:
    return {"event": "webhook_refused", "reason": reason, "channel": channel, "count": count}


def test_a_flood_is_one_line_a_minute_that_says_how_many() -> None:
    flood = [(second / 10, "token", "ussd") for second in range(10 * LOG_EVERY_SECONDS + 1)]
    assert lines(*flood) == [line("token", "ussd", 1), line("token", "ussd", 10 * LOG_EVERY_SECONDS)]


def test_each_channel_and_each_reason_has_lines_of_its_own() -> None:
    assert lines((0, "token", "ussd"), (1, "token", "kannel"), (2, "signature", "twilio"), (3, "token", None)) == [
        line("token", "ussd", 1),
        line("token", "kannel", 1),
        line("signature", "twilio", 1),
        line("token", None, 1),
    ]
