"""A model that another program serves over HTTP: the prompt is made here and goes there as token ids."""
