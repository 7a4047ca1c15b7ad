"""Whether the weights that a model was loaded with are all there, and are numbers.

transformers gives a tensor that is missing from the files random values, and merely logs that.
`recorded_reports` keeps its reports; `check_weights` refuses what would give wrong vectors.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hexapla.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

Report = tuple[Any, Any]
"""A model of transformers, and what the library reports on the tensors it was loaded with."""

# Layers behind the last hidden state, which no pooling of sentence-transformers reads.
UNUSED = (
    "pooler.",
    "cls.",
    "lm_head.",
    "qa_outputs.",
    "classifier.",
    "mlm.",
    "vocab_transform.",
    "vocab_layer_norm.",
    "vocab_projector.",
)
_MAX_NAMED = 3
_log = logging.getLogger(__name__)


@contextmanager
def recorded_reports() -> Iterator[list[Report]]:
    """Collect transformers' reports on the tensors of every model that is loaded in the block.

    The reports have `missing_keys`, `unexpected_keys` and `mismatched_keys`. They are not logged.
    """
    from transformers import modeling_utils
    from transformers.integrations import peft

    reports: list[Report] = []
    originals = [(module, module.log_state_dict_report) for module in (modeling_utils, peft)]

    def record(model: Any, *_: object, loading_info: Any, **__: object) -> None:
        reports.append((model, loading_info))

    for module, _original in originals:
        module.log_state_dict_report = record
    try:
        yield reports
    finally:
        for module, original in originals:
            module.log_state_dict_report = original


def check_reports(name: str, reports: Iterable[Report], unused: Sequence[str] = UNUSED) -> None:
    """Check what transformers reported of a model's tensors.

    Tensors that the model has no place for are named in a warning, unless they are whole layers:
    then the configuration has fewer layers than the weights, and numbers would be another model's.

    Args:
        name: The model, to begin an error with.
        reports: See `recorded_reports`.
        unused: Layers, such as a pooler, that may be missing or spare without a word.

    Raises:
        InputError: A tensor that is used is missing, of another shape, or cannot be converted; or
            whole layers would be left out.
    """
    for model, report in reports:
        missing = sorted(key for key in report.missing_keys if not _is_among(unused, key))
        if missing:
            raise InputError(
                f"{name}: {len(missing)} tensors that config.json asks for are not in the weights "
                f"({_listed(missing)}); random values would take their place: fetch them again, "
                "or mend config.json"
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
        unexpected = sorted(key for key in report.unexpected_keys if not _is_among(unused, key))
        if unexpected:
            _check_layers(name, model, unexpected)
            _log.warning(
                "%s: %d tensors of the weights are not used (%s)",
                name,
                len(unexpected),
                _listed(unexpected),
            )


def _check_layers(name: str, model: nn.Module, unexpected: Sequence[str]) -> None:
    """Refuse tensors of layers behind the last one of a list of layers that the model has."""
    from torch import nn

    base = getattr(model, "base_model_prefix", "")
    for path, part in model.named_modules():
        if not isinstance(part, nn.ModuleList):
            continue
        layer = re.compile(rf"(?:{re.escape(base)}\.)?{re.escape(path)}\.(\d+)\.")
        numbers = [int(found[1]) for key in unexpected if (found := layer.match(key))]
        spare = {number for number in numbers if number >= len(part)}
        if spare:
            raise InputError(
                f"{name}: config.json has {len(part)} layers, and the weights have "
                f"{max(spare) + 1} ({path}), so that {len(spare)} would be left out; mend "
                "config.json, or save the shortened model without them"
            )


def is_panic(error: BaseException) -> bool:
    """Return whether a library written in Rust gave up; such an error is no `Exception`."""
    return type(error).__name__ == "PanicException"


def check_finite(name: str, model: nn.Module) -> None:
    """Check that every weight is a number.

    Raises:
        InputError: A tensor has NaN or infinite values.
    """
    bad = [
        key
        for key, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not _is_finite(tensor)
    ]
    if bad:
        raise InputError(
            f"{name}: {len(bad)} tensors of the weights have values that are NaN or infinite "
            f"({_listed(bad)}); use weights of before the training that diverged"
        )


def _is_finite(tensor: Tensor) -> bool:
    """Return whether all values are numbers; the extremes of any others are NaN or infinite."""
    # In one pass without a mask, which takes a tenth of the time of `isfinite`.
    return all(extreme.isfinite() for extreme in tensor.aminmax()) if tensor.numel() else True


def _is_among(layers: Sequence[str], key: str) -> bool:
    return any(key.startswith(layer) or f".{layer}" in key for layer in layers)


def _listed(keys: list[str]) -> str:
    more = len(keys) - _MAX_NAMED
    return ", ".join(keys[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
