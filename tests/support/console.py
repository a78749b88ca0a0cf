"""The console inside the test's own process, on whatever a demo's settings name: no socket between, no Redis."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Mapping

import structlog

from console import app
from console.services import ConsoleServices
from tests.support.app import Http
from tests.support.unhurried import unhurried


class Console:
    def __init__(self, settings: Mapping[str, str]) -> None:
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        self._handlers = list(logging.getLogger().handlers)
        with unhurried(app, settings):
            self.flask = app.create_app(settings)
        self.parts: ConsoleServices = self.flask.extensions["tokaut"]
        self.http = Http(self.flask.test_client())

    def close(self) -> None:
        self.parts.database.close()
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        logging.getLogger().handlers = self._handlers
        logging.captureWarnings(False)
        structlog.reset_defaults()
