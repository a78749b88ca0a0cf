"""Calls that drop, and the reports that still arrive."""
