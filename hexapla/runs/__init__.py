"""What every stage needs to run: its record and its lock, recipes, atomic writes, progress, executors."""
