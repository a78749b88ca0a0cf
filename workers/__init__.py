import runtime as runtime  # before redis-py: see there
