"""What an encoder was made from -> a section of its model card, and the screen of `hexapla inspect`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.corpus.corpus_card import made_by
from hexapla.encoder.locate import RESULT, EncoderFacts, describe, locate
from hexapla.errors import InputError
from hexapla.text import languages as codes

if TYPE_CHECKING:
    from rich.console import Console

_BEFORE = "## Model Details"
CARD_KEYS = (  # what a card cannot do without of `align.json`
    "base",
    "base_sha256",
    "corpus",
    "corpus_sha256",
    "pivot",
    "languages",
    "columns",
    "regime",
    "negatives",
    "budget",
    "temperature",
    "margin",
    "learning_rate",
    "rows_per_step",
    "seed",
    "n_steps",
    "epochs",
    "n_rows",
    "n_encodings",
    "held_out",
)


def write_card(path: Path, result: dict[str, Any]) -> None:
    """Put the alignment section, and that of a merge, into the card at `path`, above the model's details."""
    text = path.read_text(encoding="utf-8")
    head, found, tail = text.partition(_BEFORE)
    section = alignment_section(result)
    if merged := result.get("merged"):
        section += f"\n{merge_section(merged)}"
    path.write_text(
        f"{head}{section}\n{found}{tail}" if found else f"{text}\n{section}", encoding="utf-8"
    )


def alignment_section(result: dict[str, Any]) -> str:
    """Return the section in Markdown: languages seen, corpus, how its columns were made, regime, budget."""
    seen = ", ".join(f"{codes.name(language)} (`{language}`)" for language in result["languages"])
    columns = result["columns"]
    made = "".join(
        f"  - `{language}`: {made_by(columns[language])}\n"
        for language in result["languages"]
        if columns.get(language)
    )
    return f"""## Multi-way alignment

Aligned by Hexapla from `{result["base"]}` (SHA-256 `{result["base_sha256"][:16]}`).

- Languages seen in alignment: {seen}
- Corpus: `{result["corpus"]}` (SHA-256 `{result["corpus_sha256"][:16]}`), pivot `{result["pivot"]}`
{made}- Regime: `{result["regime"]}` with `{result["negatives"]}` negatives, budget `{result["budget"]}`
- Settings: temperature {result["temperature"]}, margin {result["margin"]}, learning rate {result["learning_rate"]},
  {result["rows_per_step"]} rows a step, seed {result["seed"]}{_extras(result)}
- It took {result["n_steps"]} steps, {result["epochs"]} epochs of {result["n_rows"]} rows,
  {result["n_encodings"]} sentences encoded
{_scores(result)}"""


def _extras(result: dict[str, Any]) -> str:
    """Return the settings that most encoders are made without."""
    dims = ", ".join(map(str, result.get("matryoshka", ())))
    said = {
        "whitened at the": result.get("whiten"),
        "preserve": result.get("preserve"),
        "LoRA of rank": result.get("lora"),
        "Matryoshka dimensions": dims,
    }
    return "".join(
        f", {what} {value}" for what, value in said.items() if value not in (None, 0, "", "none")
    )


def _scores(result: dict[str, Any]) -> str:
    """Return the held-out curve's end, or what a merge measured; other scores are not known yet."""
    if merged := result.get("merged"):
        return f"- Merged: {_mixture(merged)}; retrieval accuracy {merged['accuracy']:.4f} on {merged['n_rows']} rows\n"
    if not result["held_out"]:
        return "- Scores: none yet; `hexapla evaluate` measures this folder\n"
    curve = result["held_out"]
    best = next((point for point in curve if point["step"] == result["best_step"]), curve[-1])
    before = ", before whitening" if result.get("whiten") == "end" else ""
    return (
        f"- Score{before}: retrieval accuracy {best['accuracy']:.4f} on rows held out of the corpus, between\n"
        f"  the pivot and each other column, both directions (step {best['step']})\n"
    )


def merge_section(merged: dict[str, Any]) -> str:
    """Return the section in Markdown: what was merged, by what it was chosen, and every alpha that was tried."""
    pivot = f"`{merged['pivot']}`"
    if merged["measure"] == "sts":
        value = f"Spearman's correlation of the cosines of pairs in {pivot} with the scores of `{merged['sts']}`"
    else:
        value = f"Spearman's correlation of the cosines of all pairs of those rows' {pivot} texts with the base's"
    table = "".join(
        f"| {point['alpha']:g} | {point['accuracy']:.4f} | {point['pivot']:.4f} | {verdict(point, merged)} |\n"
        for point in merged["sweep"]
    )
    return f"""## Merged with the base

Every weight is (1 - alpha) times that of `{merged["base"]}` (SHA-256 `{merged["base_sha256"][:16]}`)
and alpha times that of `{merged["aligned"]}` (SHA-256 `{merged["aligned_sha256"][:16]}`).
Here {_mixture(merged)}.

| alpha | retrieval accuracy | pivot | |
|---|---|---|---|
{table}
- Retrieval accuracy: between {pivot} and each of {", ".join(merged["languages"][1:])}, both directions, on
  {merged["n_rows"]} rows {merged["origin"]}: `{merged["corpus"]}` (SHA-256 `{merged["corpus_sha256"][:16]}`)
- Pivot: {value}
- An alpha qualifies if its pivot value is at least that of alpha 0 less {merged["tolerance"]:g}; of those, the best
  retrieval accuracy is kept. It was chosen on these rows, so it flatters the encoder a little
"""


def _mixture(merged: dict[str, Any]) -> str:
    """Say in words what the weights are."""
    if not merged["alpha"]:
        why = "" if merged["qualified"] else ", for no alpha that was asked for qualified"
        return f"alpha is 0: the weights are those of `{merged['base']}`, and nothing of the alignment is in them{why}"
    if merged["alpha"] == 1:
        return "alpha is 1: the weights are those of the aligned encoder, and nothing is mixed into them"
    return f"alpha is {merged['alpha']:g}: that share of the aligned encoder's weights, the rest `{merged['base']}`'s"


def verdict(point: dict[str, Any], merged: dict[str, Any]) -> str:
    """Say in a word or two what came of an alpha."""
    if point["alpha"] == merged["alpha"]:
        return "kept"
    if not point["asked"]:
        return "reference"
    return "" if point["loses_nothing"] else "loses on the pivot"


@dataclass(frozen=True, kw_only=True)
class EncoderScreen:
    """What `hexapla inspect` shows of an encoder folder."""

    facts: EncoderFacts
    architecture: str
    vocabulary: int | None
    dim: int | None
    n_layers: int | None
    size_mib: float
    modules: tuple[str, ...]
    result: dict[str, Any]

    def render(self, console: Console) -> None:
        """Print one screen."""
        console.print(
            f"[bold]{self.facts.name}[/bold]: {self.architecture}, {self.n_layers} layers, {self.dim} "
            f"dimensions, {self.vocabulary} pieces, {self.size_mib:.1f} MiB of weights"
        )
        console.print(f"modules {' -> '.join(self.modules) or 'none: a bare transformer'}")
        console.print(f"sha256 {self.facts.sha256}", soft_wrap=True)
        if not self.result:
            console.print("not aligned by hexapla")
            return
        section = alignment_section(self.result).split("\n\n", 1)[1]
        console.print(section.replace("`", "").strip(), markup=False)


def inspect_encoder(name: str) -> EncoderScreen:
    """Look at an encoder folder without loading its weights.

    Raises:
        InputError: no such folder.
    """
    folder = locate(name)
    if folder is None:
        raise InputError(
            f"{name}: inspect looks at folders; this is neither a corpus nor an encoder folder"
        )
    inner = [
        path
        for path in (folder / "config.json", folder / "0_Transformer" / "config.json")
        if path.is_file()
    ]
    config = json.loads(inner[0].read_text(encoding="utf-8")) if inner else {}
    listed = folder / "modules.json"
    modules = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    result = folder / RESULT
    weights = [path for path in folder.rglob("*.safetensors") if "checkpoints" not in path.parts]
    return EncoderScreen(
        facts=describe(name),
        architecture=(config.get("architectures") or ["unknown architecture"])[0],
        vocabulary=config.get("vocab_size"),
        dim=config.get("hidden_size"),
        n_layers=config.get("num_hidden_layers"),
        size_mib=sum(path.stat().st_size for path in weights) / 2**20,
        modules=tuple(module["type"].rpartition(".")[2] for module in modules),
        result=json.loads(result.read_text(encoding="utf-8")) if result.is_file() else {},
    )
