"""Whether the weights that an encoder was loaded with are all there, and are numbers.

transformers gives a tensor that is missing from the files random values, and merely logs that.
`recorded_reports` keeps its reports; `check_weights` refuses what would give wrong vectors.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError

if TYPE_CHECKING:
    from torch import nn

# Layers behind the last hidden state, which no pooling of sentence-transformers reads.
_UNUSED = ("pooler.", "cls.", "lm_head.", "qa_outputs.", "classifier.", "mlm.")
_MAX_NAMED = 3
_log = logging.getLogger(__name__)


@contextmanager
def recorded_reports() -> Iterator[list[Any]]:
    """Collect transformers' reports on the tensors of every model that is loaded in the block.

    The reports have `missing_keys`, `unexpected_keys` and `mismatched_keys`. They are not logged.
    """
    from transformers import modeling_utils

    reports: list[Any] = []
    original = modeling_utils.log_state_dict_report

    def record(*_: object, loading_info: Any, **__: object) -> None:
        reports.append(loading_info)

    modeling_utils.log_state_dict_report = record
    try:
        yield reports
    finally:
        modeling_utils.log_state_dict_report = original


def check_reports(name: str, reports: Iterable[Any]) -> None:
    """Check what transformers reported of an encoder's tensors.

    Tensors of layers that are not used, such as the pooler, may be missing. Tensors that the model
    has no place for are named in a warning.

    Args:
        name: The encoder, to begin an error with.
        reports: See `recorded_reports`.

    Raises:
        InputError: A tensor that is used is missing, of another shape, or cannot be converted.
    """
    for report in reports:
        missing = sorted(key for key in report.missing_keys if not _is_unused(key))
        if missing:
            raise InputError(
                f"{name}: {len(missing)} tensors that config.json asks for are not in the weights "
                f"({_listed(missing)}); random values would take their place: fetch the encoder "
                "again, or mend config.json"
            )
        if report.mismatched_keys:
            key, stored, expected = min(report.mismatched_keys)
            raise InputError(
                f"{name}: {len(report.mismatched_keys)} tensors of the weights have another shape "
                f"than config.json says ({key} is {tuple(stored)}, not {tuple(expected)})"
            )
        if failed := [*report.error_msgs, *report.conversion_errors.values()]:
            reason = " ".join(str(failed[0]).split())[:200]
            raise InputError(f"{name}: the weights cannot be loaded: {reason}")
        unexpected = sorted(key for key in report.unexpected_keys if not _is_unused(key))
        if unexpected:
            _log.warning(
                "%s: %d tensors of the weights are not used (%s)",
                name,
                len(unexpected),
                _listed(unexpected),
            )


def check_finite(name: str, model: nn.Module) -> None:
    """Check that every weight is a number.

    Raises:
        InputError: A tensor has NaN or infinite values.
    """
    import torch

    bad = [
        key
        for key, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not torch.isfinite(tensor).all()
    ]
    if bad:
        raise InputError(
            f"{name}: {len(bad)} tensors of the weights have values that are NaN or infinite "
            f"({_listed(bad)}); use weights of before the training that diverged"
        )


def _is_unused(key: str) -> bool:
    return any(key.startswith(layer) or f".{layer}" in key for layer in _UNUSED)


def _listed(keys: list[str]) -> str:
    more = len(keys) - _MAX_NAMED
    return ", ".join(keys[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
