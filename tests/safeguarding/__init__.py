"""The rules of docs/safeguarding.md as conversations on a phone: all of web, with a real Valkey and database."""
