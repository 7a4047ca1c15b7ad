"""What a training ends with on the command line: what it gained, what it left out, what comes next.

Nothing here imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hexapla.encoder.config import MAX_HELD_OUT_ROWS
from hexapla.encoder.encoder_screen import measure_command
from hexapla.encoder.kind import show_prompt
from hexapla.runs.progress import format_duration


def result_lines(result: Mapping[str, Any], out: Path) -> list[str]:
    """Return a finished training in a few lines.

    Args:
        result: What `align.json` holds; that of an older version lacks some keys.
        out: The encoder's folder.
    """
    lines = [
        f"{out}: {result['base']} aligned under {result['regime']}, {result['n_rows']:,} rows in "
        f"{len(result['languages'])} languages, {format_duration(result['seconds'])}",
        f"{result['n_steps']:,} steps, {result['n_encodings']:,} sentences encoded{_mined(result)}",
        _accuracy(result),
    ]
    if (alpha := result.get("alpha", 1)) < 1:
        lines.append(
            f"the saved weights are {alpha:g} of the way from those before the first step to the "
            "trained ones (--alpha)"
        )
    left_out = [
        f"{result.get(key) or 0:,} rows {why}"
        for key, why in (
            ("n_held_out", "held out"),
            ("n_unusable", "with fewer than two of the languages"),
        )
        if result.get(key)
    ]
    if left_out:
        lines.append(f"not trained on: {', '.join(left_out)}")
    if n_truncated := result.get("n_truncated"):
        lines.append(f"{n_truncated:,} texts are longer than the encoder reads, and were truncated")
    if prompt := result.get("prompt"):
        lines.append(f"every text is read with {show_prompt(prompt)}, which the encoder has saved")
    return [*lines, *_next(result, out)]


def _mined(result: Mapping[str, Any]) -> str:
    n_mined = result.get("n_mined")
    return f" and {n_mined:,} to find hard negatives" if n_mined else ""


def _accuracy(result: Mapping[str, Any]) -> str:
    before, after = (result.get(f"accuracy_{when}") for when in ("before", "after"))
    if before is None or after is None:
        return (
            "no row was held out, so no accuracy is known; --held-out 0.1 keeps a tenth of the "
            "rows to measure on"
        )
    n_rows = min(result["n_held_out"], MAX_HELD_OUT_ROWS)
    return (
        f"accuracy on {n_rows:,} held-out rows: {before:.1%} before the first step, {after:.1%} "
        f"as saved (translations found, {result['pivot']} with each other language, both "
        "directions)"
    ).replace("%", " %")


def _next(result: Mapping[str, Any], out: Path) -> list[str]:
    return [
        f"next: {measure_command(result, str(out))}",
        f"or in Python: SentenceTransformer({json.dumps(str(out), ensure_ascii=False)})"
        '.encode(["A sentence."])',
    ]
