"""Everything is killed, and every report is counted: what "Sent" promises, held against what the hotline has."""
