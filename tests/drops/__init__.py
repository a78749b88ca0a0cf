"""Calls that drop: how many reports arrive all the same."""
