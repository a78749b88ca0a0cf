"""What channels and conversations exchange: inbound messages, replies, and the reading of request bodies."""
