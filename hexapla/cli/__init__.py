"""The command line: it parses, calls a stage and prints."""

from hexapla.cli.app import main

__all__ = ["main"]
