"""Which device a translator computes on, and in which number format."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hexapla.errors import InputError
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.config import TranslatorConfig


def parse_device(text: str) -> tuple[str, int]:
    """Read a device: its kind, "auto", "cpu" or "cuda", and its number.

    >>> parse_device("auto"), parse_device("cuda:1")
    (('auto', 0), ('cuda', 1))

    Raises:
        InputError: It is another word.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,4})?", text):
        raise InputError(f'device "{text}" is unknown; give auto, cpu, cuda or cuda:0')
    kind, _, number = text.partition(":")
    return kind, int(number or 0)


def choose_device(asked: str, n_gpus: int, library: str) -> tuple[str, int]:
    """Return the kind of device, "cpu" or "cuda", and its number.

    Args:
        asked: "auto", "cpu", "cuda" or "cuda:0".
        n_gpus: How many GPUs the library can use here.
        library: Name of the library, for the error.

    Raises:
        InputError: It is another word, or a GPU that this machine does not have.
    """
    kind, number = parse_device(asked)
    if kind == "auto":
        return "cuda" if n_gpus else "cpu", 0
    if kind == "cuda" and number >= n_gpus:
        raise InputError(
            f"device {asked}: this machine has {n_gpus} GPUs that {library} can use; give cpu or "
            "auto"
        )
    return kind, number


def count_shared_gpus(config: TranslatorConfig) -> int:
    """Return the number of GPUs that worker processes of this machine share.

    Returns:
        0 where there is nothing to share out: the translator is no model here, or its device is
        the CPU or one GPU by its number.
    """
    if not config.is_checkpoint or config.device not in ("auto", "cuda"):
        return 0
    import torch

    return torch.cuda.device_count()


def choose_compute_type(
    asked: str,
    files: CheckpointFiles,
    supported: Sequence[str],
    preferred: Sequence[str],
    place: str,
) -> str:
    """Return the number format asked for, or the first of the `preferred` that is possible.

    Args:
        asked: "auto" or one of `supported`.
        files: The checkpoint that is to run.
        supported: The formats that the library has for the device.
        preferred: Best first; one of them is always possible.
        place: Where the checkpoint is to run, for the error.

    Raises:
        InputError: The format asked for is not possible.
    """
    # T5 reaches values beyond float16, and then writes nothing but padding.
    never = ("float16", "int8_float16") if files.model_type in ("t5", "mt5", "umt5") else ()
    allowed = [name for name in supported if name not in never]
    if asked == "auto":
        return next(name for name in preferred if name in allowed)
    if asked not in allowed:
        raise InputError(
            f"compute_type {asked} is not one that {files.name} can use {place}; "
            f"give auto or one of {', '.join(allowed)}"
        )
    return asked
