"""Shared by all stages: settings, records, locks, atomic writes, progress, executors."""
