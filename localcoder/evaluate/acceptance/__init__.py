"""What became of suggestions: noted by the app and by serve where the user wants it, and summed up by eval."""
