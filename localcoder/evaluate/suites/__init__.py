"""Suites that others use: HumanEval-Infilling and SAFIM, from a file, scored as their own programs score."""
