"""Small questions over the editor, one kind a module."""
