"""Which pieces of other files go into the prompt."""
