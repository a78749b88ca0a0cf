"""A conversation with a reporter: what an inbound message means, and what is answered."""
