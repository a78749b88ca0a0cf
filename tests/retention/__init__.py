"""Truly gone after its time, and never while somebody still has to hear it."""
