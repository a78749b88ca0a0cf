"""Submission of reports: built, sealed, committed to the database or stored in the spool."""
