"""Fault injection: kill every process under load and compare what reporters were told with what hotlines received."""
