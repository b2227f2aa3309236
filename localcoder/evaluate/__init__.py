"""Bench, evaluate, compare."""
