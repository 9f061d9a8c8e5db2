"""The version, for everything that says which asrkit made it."""

__all__ = ["VERSION"]

VERSION = "0.1.0"
