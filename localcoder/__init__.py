"""Code completions from StarCoder2 on your own machine."""

__version__ = "0.1.0"
