"""The messages that channels and conversations exchange, and the parsing of request bodies."""
