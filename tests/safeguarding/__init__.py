"""The rules of docs/safeguarding.md as stories on a phone: all of web, with a real Valkey and a real database."""
