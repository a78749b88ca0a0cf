"""Reports are deleted completely when they expire, and never while a delivery is open."""
