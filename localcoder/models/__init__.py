"""Which models there are, and where."""
