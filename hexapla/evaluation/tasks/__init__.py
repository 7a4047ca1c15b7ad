"""Evaluation tasks: what each measures of an encoder's vectors."""
