"""Conversations with reporters: what an inbound message means, and what the reply is."""
