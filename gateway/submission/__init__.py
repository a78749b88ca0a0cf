"""Submission of reports: they are built, sealed, and committed to the database or stored in the spool."""
