"""How the console's server runs: `gunicorn -c console/gunicorn.conf.py 'console.app:create_app()'`.

On a port and a host name of its own, behind a proxy that lets hotlines and their staff in and nobody else. The proxy
also takes requests in whole, so that a slow sender holds no thread.
"""

import os
from functools import partial

import gunicorn

from console import app
from runtime.preflight import run_in_child

gunicorn.SERVER = gunicorn.SERVER_SOFTWARE = ""  # it says nothing of itself


def on_starting(server):
    """In the master: gunicorn would start a process that stops over a wrong setting again and again."""
    run_in_child(partial(app.check, os.environ))


worker_class = "gthread"
workers = int(os.environ.get("CONSOLE_CONCURRENCY") or 2)
threads = 8
worker_connections = 500  # of one process
backlog = 256
keepalive = 5
timeout = 15  # seconds after which a process that does not answer the master is replaced
graceful_timeout = 20  # seconds to finish what is in hand after SIGTERM
umask = 0o077
accesslog = None  # addresses hold ids of reports
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # a socket that can stop the server, in a folder we did not choose
