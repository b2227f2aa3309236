"""What the edit screen does, one concern a module: each is given what it needs and knows no screen."""
