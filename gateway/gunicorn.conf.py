"""How the web server runs: `gunicorn -c gateway/gunicorn.conf.py 'gateway.asgi:create_app()'`.

gunicorn keeps the processes; each of them serves with uvicorn (gateway/server.py). Said here and not on the command
line, so that the demo, the tests and a deployment run the same server.
"""

import os
import sys
from functools import partial

from gateway import app
from runtime.preflight import run_in_child

FLASK = "gateway.app:"
OURS = ("gateway.asgi:", FLASK)


def on_starting(server):
    """In the master: gunicorn would start a process that stops over a wrong setting again and again."""
    if server.app.app_uri.startswith(FLASK) and server.cfg.worker_class_str == worker_class:
        sys.exit(f"{server.app.app_uri} is for other servers; write 'gateway.asgi:create_app()' in web's command")
    if server.app.app_uri.startswith(OURS):  # and not a small one of the tests
        run_in_child(partial(app.check, os.environ))


worker_class = "gateway.server.ServerProcess"
workers = int(os.environ.get("WEB_CONCURRENCY") or min(8, 2 * (os.cpu_count() or 1)))
worker_connections = 1000  # of one process
backlog = 512
timeout = 15  # seconds after which a process that does not answer the master is replaced
graceful_timeout = 20  # seconds to finish what is in hand after SIGTERM
max_requests = 0
umask = 0o077
accesslog = None  # addresses of webhooks hold a secret, and some a person's words
errorlog = "-"
loglevel = "warning"
control_socket_disable = True  # a socket that can stop the server, in a folder we did not choose
