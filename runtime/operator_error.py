"""The fault that an operator can remedy: it ends a command or the start of a process with its message."""

from __future__ import annotations


class OperatorError(Exception):
    """Settings, files or the database cannot be used. The message names each fault, one a line, and its remedy."""
