"""Gunicorn settings of the console: `gunicorn -c console/gunicorn.conf.py 'console.app:create_app()'`.

The console has its own port and host name, behind a reverse proxy that admits only hotlines and their staff. The proxy
also buffers requests, so that a slow client occupies no thread.
"""

import gc
import os
from functools import partial

gc.disable()  # nothing is garbage while modules load, and looking for it takes a fifth of that time

from gunicorn.http import wsgi

from console import app
from runtime.hardening import prepare_fork

gc.enable()

wsgi.SERVER = wsgi.SERVER_SOFTWARE = ""  # do not name the server software


def on_starting(server):
    """Check the settings in the master process; else gunicorn would restart a failing worker process forever."""
    prepare_fork(app.load_texts, partial(app.check, os.environ))


worker_class = "gthread"
workers = int(os.environ.get("CONSOLE_CONCURRENCY") or 2)
threads = 8
worker_connections = 500  # per process
backlog = 256
keepalive = 5
timeout = 15  # seconds without a heartbeat until the master replaces a worker process
graceful_timeout = 20  # seconds to finish open requests after SIGTERM
umask = 0o077
accesslog = None  # paths contain report ids
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # this socket could stop the server, and its folder is not ours to choose
