"""What happens beside the steps of training: progress is shown, and the loss is logged in time."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from hexapla.encoder.held_out import METRIC
from hexapla.runs.progress import Bar, Progress

_SHOWN = {"loss": "loss", METRIC: "held-out accuracy"}


class LogAtCheckpoints(TrainerCallback):  # type: ignore[misc]
    """Logs the mean loss before a checkpoint.

    The checkpoint does not hold the sum from which that mean is computed, so a resumed run would
    otherwise log another mean.
    """

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for a log entry; the trainer's own callback has asked for the checkpoint before."""
        control.should_log |= control.should_save


class AccuracyBefore(TrainerCallback):  # type: ignore[misc]
    """Puts the accuracy from before the first step into the history, which checkpoints hold.

    Args:
        accuracy: None if it was not measured.
    """

    def __init__(self, accuracy: float | None) -> None:
        self._accuracy = accuracy

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add it as the history's first entry; a resumed run has it already."""
        if self._accuracy is not None and not state.global_step:
            state.log_history.append({METRIC: self._accuracy, "step": 0})


class TrainingProgress(TrainerCallback):  # type: ignore[misc]
    """Shows steps, loss and held-out accuracy as a bar, in place of the trainer's own.

    The last step is counted when training ends, so that the last line in a log has the last loss
    and accuracy, which come after the step.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bar: Bar | None = None
        self._n_counted = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Add the bar; a resumed run has made some steps already."""
        self._bar = self._progress.add("training", state.max_steps, unit="steps")
        self._bar.skip(state.global_step)
        self._n_counted = state.global_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the step."""
        self._count(min(state.global_step, state.max_steps - 1))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count the last step."""
        self._count(state.global_step)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Show the newest numbers."""
        shown = {name: f"{logs[key]:.4f}" for key, name in _SHOWN.items() if logs and key in logs}
        if self._bar is not None and shown:
            self._bar.advance(0, **shown)

    def _count(self, n_steps: int) -> None:
        if self._bar is not None:
            self._bar.advance(n_steps - self._n_counted)
            self._n_counted = n_steps
