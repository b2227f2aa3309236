"""HTTP for editors."""
