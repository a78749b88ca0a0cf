"""The console in the process of the test, with the settings of a demo: no socket, no Redis."""

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
    """The console's application. `parts`: its services."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        self._handlers = list(logging.getLogger().handlers)
        with unhurried(app, settings):
            self.flask = app.create_app(settings)
        self.parts: ConsoleServices = self.flask.extensions["tokaut"]
        self.http = Http(self.flask.test_client())

    def close(self) -> None:
        """Close the database, and restore hooks and logging."""
        self.parts.database.close()
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        logging.getLogger().handlers = self._handlers
        logging.captureWarnings(False)
        structlog.reset_defaults()
