"""The editor's text without a screen: lines, their display, the ghost's rows."""
