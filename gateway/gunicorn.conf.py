"""Settings of the web server: `gunicorn -c gateway/gunicorn.conf.py 'gateway.asgi:create_app()'`.

gunicorn manages the processes; each of them serves with uvicorn (gateway/server.py). The settings are here and not on
the command line, so that the demo, the tests and a deployment run the same server.
"""

import gc
import os
import sys
from functools import partial

gc.disable()  # nothing is garbage while modules load, and looking for it takes a fifth of that time

from gateway import app
from runtime.hardening import prepare_fork

gc.enable()

FLASK = "gateway.app:"
OURS = ("gateway.asgi:", FLASK)


def on_starting(server):
    """Check the settings in the master: gunicorn would restart a process that exits again and again."""
    if server.app.app_uri.startswith(FLASK) and server.cfg.worker_class_str == worker_class:
        sys.exit(f"{server.app.app_uri} is for other servers; write 'gateway.asgi:create_app()' in web's command")
    if server.app.app_uri.startswith(OURS):  # not a small application of the tests
        prepare_fork(app.load_texts, partial(app.check, os.environ))


worker_class = "gateway.server.ServerProcess"
workers = int(os.environ.get("WEB_CONCURRENCY") or min(8, 2 * (os.cpu_count() or 1)))
worker_connections = 1000  # for each process
backlog = 512
timeout = 15  # seconds after which a process that does not notify the master is replaced
graceful_timeout = 20  # seconds to finish open requests after SIGTERM
max_requests = 0
umask = 0o077
accesslog = None  # webhook addresses contain a secret, and some a reporter's words
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # it would be a socket that can stop the server, in a folder we did not choose
