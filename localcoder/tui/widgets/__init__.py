"""The app's own widgets, one a module."""
