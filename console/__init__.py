"""The process on the hotlines' side: what their systems call back, and what their staff read and answer."""
