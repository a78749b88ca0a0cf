"""Reports are deleted completely after their time, and never while a delivery is open."""
