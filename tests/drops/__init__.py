"""Calls that drop: how many reports arrive nevertheless."""
