"""The console: callbacks from the hotlines' systems, and the pages on which staff read and answer reports."""
