"""The console: callbacks from the hotlines' systems, and the pages on which staff read and answer reports."""

import runtime as runtime  # before redis-py: see there
