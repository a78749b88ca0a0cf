"""HTTP over bare sockets, for gunicorn's processes: threads on one epoll, a strict reader, no line that holds a thread.

It knows nothing of Tokaut: what it serves is any WSGI application that reads its body whole.
"""

from serving.server import Server

__all__ = ["Server"]
