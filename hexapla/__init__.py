"""Hexapla: multi-way aligned sentence encoders, from plain text to measured result."""

__version__ = "0.1.0"
