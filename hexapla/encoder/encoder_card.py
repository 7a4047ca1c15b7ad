"""What an encoder was made from: a section of its model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hexapla.corpus.corpus_card import made_by
from hexapla.encoder.config import MAX_HELD_OUT_ROWS
from hexapla.runs.atomic import write_text
from hexapla.text import languages as codes
from hexapla.text.printable import markdown, markdown_code, printable_all

_DETAILS = "## Model Details"


def write_card(path: Path, result: dict[str, Any]) -> None:
    """Add the sections on alignment and merge to a model card, above its "Model Details".

    Args:
        path: The card, as sentence-transformers wrote it.
        result: What `align.json` holds.
    """
    section = alignment_section(result)
    if merged := result.get("merged"):
        section += f"\n{merge_section(merged)}"
    insert_section(path, section)


def insert_section(path: Path, section: str) -> None:
    """Add a section to a model card, above its "Model Details", or at its end if it has none."""
    text = path.read_text(encoding="utf-8")
    head, details, tail = text.partition(_DETAILS)
    write_text(path, f"{head}{section}\n{details}{tail}" if details else f"{text}\n{section}")


def alignment_section(result: dict[str, Any]) -> str:
    """Return the section on alignment in Markdown: languages, corpus, regime, settings, budget."""
    result = printable_all(result)
    seen = ", ".join(
        f"{codes.name(language)} ({markdown_code(language)})" for language in result["languages"]
    )
    columns = result["columns"]
    sources = "".join(
        f"  - {markdown_code(language)}: {markdown(made_by(columns[language]))}\n"
        for language in result["languages"]
        if columns.get(language)
    )
    base, corpus = (_named(result, key) for key in ("base", "corpus"))
    pivot, regime, negatives, budget = (
        markdown_code(result[key]) for key in ("pivot", "regime", "negatives", "budget")
    )
    return f"""## Multi-way alignment

Aligned by Hexapla from {base}.

- Languages seen in alignment: {seen}
- Prompt: {_prompt(result)}
- Corpus: {corpus}, pivot {pivot}
{sources}- Regime: {regime}, negatives {negatives}, budget {budget}
- Settings: temperature {result["temperature"]}, margin {result["margin"]},
  learning rate {result["learning_rate"]}, {result["rows_per_step"]} rows per step,
  seed {result["seed"]}{_extras(result)}
{_teacher(result)}- Length: {result["n_steps"]} steps, {result["epochs"]} epochs of
  {result["n_rows"]} rows, {result["n_encodings"]} sentences encoded
{_scores(result)}"""


def _named(result: dict[str, Any], key: str) -> str:
    """Return the name of a corpus or an encoder with its hash."""
    sha = markdown_code(result[f"{key}_sha256"][:16])
    return f"{markdown_code(result[key])} (SHA-256 {sha})"


def _prompt(result: dict[str, Any]) -> str:
    """Return the prompt in quotation marks, so that the space at its end is seen."""
    if not (prompt := result.get("prompt")):
        return "none"
    quoted = markdown_code(json.dumps(prompt, ensure_ascii=False))
    return f"{quoted}, before every text; `encode` puts it there"


def _extras(result: dict[str, Any]) -> str:
    """Return the settings that most encoders are made without."""
    dims = ", ".join(map(str, result.get("matryoshka", ())))
    weight = result.get("contrastive_weight", 1)
    alpha = result.get("alpha", 1)
    n_cells = result.get("cells_per_row")
    extras = {
        "cells of a row in a step:": None if n_cells == "all" else n_cells,
        "hard negatives of a row:": result.get("hard_negatives"),
        "whitened at the": result.get("whiten"),
        "preserve": result.get("preserve"),
        "share of the trained weights:": None if alpha == 1 else alpha,
        "contrastive weight": None if weight == 1 else str(weight),
        "LoRA of rank": result.get("lora"),
        "Matryoshka dimensions": dims,
    }
    return "".join(
        f", {name} {markdown(str(value))}"
        for name, value in extras.items()
        if value not in (None, 0, "", "none")
    )


def _teacher(result: dict[str, Any]) -> str:
    """Return the line on the teacher, nothing without one."""
    if not result.get("teacher"):
        return ""
    weight, loss = result["teacher_weight"], markdown_code(result["teacher_loss"])
    return f"- Teacher: {_named(result, 'teacher')}, weight {weight:g}, {loss}\n"


def _scores(result: dict[str, Any]) -> str:
    """Return the accuracy on held-out rows; no other score is known when the card is written."""
    if merged := result.get("merged"):
        bases = [each["accuracy"] for each in merged.get("sweep", ()) if not each["alpha"]]
        of_base = f"; of the base {bases[0]:.4f}" if bases else ""
        return (
            f"- Merged: {_mixture(merged)};\n"
            f"  retrieval accuracy {merged['accuracy']:.4f} on {merged['n_rows']} rows{of_base}\n"
        )
    curve = result["held_out"]
    if not curve:
        return "- Scores: none yet; `hexapla evaluate` measures this folder\n"
    best = next((point for point in curve if point["step"] == result.get("best_step")), curve[-1])
    after, before = result.get("accuracy_after"), result.get("accuracy_before")
    whitened = ", before whitening" if result.get("whiten") == "end" and after is None else ""
    after = best["accuracy"] if after is None else after
    of_base = "" if before is None else f"; of the base {before:.4f}"
    return (
        f"- Score{whitened}: retrieval accuracy {after:.4f} at step {best['step']}{of_base}. On\n"
        f"  {_held_out_rows(result)} of the corpus, between the pivot and each other column, both\n"
        "  directions\n"
    )


def _held_out_rows(result: dict[str, Any]) -> str:
    n_rows = min(result.get("n_held_out") or 0, MAX_HELD_OUT_ROWS)
    return f"{n_rows:,} held-out rows" if n_rows else "held-out rows"


def merge_section(merged: dict[str, Any]) -> str:
    """Return the section on the merge in Markdown: what was merged, and every alpha that was tried.

    Args:
        merged: What `merge.json` holds.
    """
    merged = printable_all(merged)
    pivot, tolerance = markdown_code(merged["pivot"]), merged["tolerance"]
    if merged["measure"] == "sts":
        value = f"cosines of the {pivot} pairs of {markdown_code(merged['sts'])} with their scores"
    else:
        value = f"cosines of all pairs of those rows' {pivot} texts with the base's cosines"
    table = "".join(
        f"| {point['alpha']:g} | {point['accuracy']:.4f} | {point['pivot']:.4f} "
        f"| {verdict(point, merged)} |\n"
        for point in merged["sweep"]
    )
    others = markdown(", ".join(merged["languages"][1:]))
    corpus, base, aligned = (_named(merged, key) for key in ("corpus", "base", "aligned"))
    return f"""## Merged with the base

Every weight is (1 - alpha) times that of {base}
plus alpha times that of {aligned}.
Here {_mixture(merged)}.

| alpha | retrieval accuracy | pivot | |
|---|---|---|---|
{table}
- Retrieval accuracy: between {pivot} and each of {others}, in both
  directions, on {merged["n_rows"]} rows {markdown(merged["origin"])}: {corpus}
- Pivot: Spearman correlation of the {value}
- An alpha qualifies if its pivot value is at least that of alpha 0 minus {tolerance:g}. Of those,
  the one with the best retrieval accuracy was kept. It was chosen on these rows, so its accuracy
  here is slightly optimistic
"""


def _mixture(merged: dict[str, Any]) -> str:
    """Say in words what the weights are."""
    base = markdown_code(merged["base"])
    if not merged["alpha"]:
        why = "" if merged["qualified"] else "; none of the alphas asked for qualified"
        return f"alpha is 0: the weights are those of {base}, without alignment{why}"
    if merged["alpha"] == 1:
        return "alpha is 1: the weights are those of the aligned encoder, unchanged"
    return (
        f"alpha is {merged['alpha']:g}: that share of the aligned encoder's weights, and the rest "
        f"of {base}'s"
    )


def verdict(point: dict[str, Any], merged: dict[str, Any]) -> str:
    """Say in a word or two what became of an alpha."""
    if point["alpha"] == merged["alpha"]:
        return "kept"
    if not point["asked"]:
        return "reference"
    return "" if point["loses_nothing"] else "loses on the pivot"
