"""What an encoder is, on one screen: `hexapla inspect ENCODER`.

Nothing here loads an encoder or asks the Hub; all of it is read from the files of its folder.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexapla.encoder.alignment_record import CARD_KEYS, read_alignment
from hexapla.encoder.encoder_card import alignment_section
from hexapla.encoder.kind import Kind, find_kind, find_prompt, show_prompt
from hexapla.encoder.locate import (
    RESULT,
    EncoderFacts,
    cached_folder,
    describe,
    locate,
    read_json_object,
    read_modules,
)
from hexapla.errors import InputError, did_you_mean
from hexapla.text.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

_WORDS = ("sample", "tiny", "small")  # what the package has names for
# Names of pooling in folders that older versions of sentence-transformers wrote.
_OLDER_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, kw_only=True)
class EncoderScreen:
    """What `hexapla inspect` shows of an encoder folder.

    Attributes:
        facts: What is known without loading it.
        architecture: Class of the transformer.
        vocabulary: Number of pieces of the tokenizer.
        dim: Hidden size.
        n_layers: Layers of the transformer.
        size_mib: Size of the weights.
        modules: Names of the modules of sentence-transformers; none for a bare transformer.
        kind: What it is.
        pooling: Its pooling, in words; empty if it has no module for it.
        prompt: Text that is put before every text.
        result: What `align.json` holds; empty if `hexapla align` did not make the encoder.
    """

    facts: EncoderFacts
    architecture: str
    vocabulary: int | None
    dim: int | None
    n_layers: int | None
    size_mib: float
    modules: tuple[str, ...]
    kind: Kind
    pooling: str
    prompt: str
    result: dict[str, Any]

    def render(self, console: Console) -> None:
        """Print one screen."""
        from rich.text import Text

        name = Text(printable(self.facts.name), style="bold")
        shape = (
            f": {self.architecture}, {self.n_layers} layers, {self.dim} dimensions, "
            f"{self.vocabulary} pieces, {self.size_mib:.1f} MiB of weights"
        )
        modules = " -> ".join(self.modules) or "none: a bare transformer"
        reads = [*filter(None, [self.pooling]), show_prompt(self.prompt)]
        console.print(name + Text(printable(shape)))
        console.print(Text(printable(f"{self.kind}: {', '.join(reads)}")))
        console.print(Text(printable(f"modules {modules}")))
        console.print(Text(f"sha256 {self.facts.sha256}"), soft_wrap=True)
        if not self.result:
            console.print("not aligned by hexapla")
            return
        section = alignment_section(self.result).split("\n\n", 1)[1]
        console.print(Text(section.replace("`", "").strip()))

    def next_step(self, name: str) -> str:
        """Return what to type next, with the encoder as it was named."""
        if self.result:
            return f"next: {measure_command(self.result, name)}"
        return f"next: hexapla align CORPUS --encoder {shlex.quote(name)} --out aligned"


def measure_command(result: Mapping[str, Any], name: str) -> str:
    """Return the command that measures an aligned encoder on rows that it was not trained on.

    With held-out rows it is compared with its base, and otherwise evaluated on others.

    Args:
        result: What `align.json` holds.
        name: The encoder's folder.
    """
    # An older version did not write how many rows were held out.
    if result.get("n_held_out") or result.get("held_out"):
        return f"hexapla compare {shlex.quote(name)}"
    scores = shlex.quote(f"{name.rstrip('/')}-scores")
    return f"hexapla evaluate {shlex.quote(name)} --suite bitext --data OTHER_ROWS --out {scores}"


def inspect_encoder(name: str) -> EncoderScreen:
    """Look at an encoder folder, or one in the Hub's cache, without loading its weights.

    Raises:
        InputError: There is no such folder, or a file of it is damaged.
    """
    folder = locate(name)
    place = str(folder or cached_folder(name) or "")
    if not place:
        raise InputError(
            f"{name}: no file or folder here, and the Hub's cache on this machine has no encoder "
            "of this name; inspect fetches nothing, so give a folder or a table file"
            f"{did_you_mean(name, _WORDS)}"
        )
    path = Path(place)
    configs = [path / "config.json", path / "0_Transformer" / "config.json"]
    config = next((read_json_object(each) for each in configs if each.is_file()), {})
    weights = [each for each in path.rglob("*.safetensors") if "checkpoints" not in each.parts]
    facts = describe(place if folder is None else name)
    modules = read_modules(path)
    kind = find_kind(place)
    return EncoderScreen(
        facts=dataclasses.replace(facts, name=name) if folder is None else facts,
        architecture=(config.get("architectures") or ["unknown architecture"])[0],
        vocabulary=config.get("vocab_size"),
        dim=config.get("hidden_size"),
        n_layers=config.get("num_hidden_layers"),
        size_mib=sum(each.stat().st_size for each in weights) / 2**20,
        modules=tuple(module["type"].rpartition(".")[2] for module in modules),
        kind=kind,
        pooling=_pooling(path, modules, kind),
        prompt=find_prompt(place, ask_hub=False),
        result=read_alignment(path / RESULT, CARD_KEYS),
    )


def _pooling(folder: Path, modules: Sequence[Mapping[str, str]], kind: Kind) -> str:
    """Return the pooling of a folder in words, that which a bare transformer gets included."""
    if not modules:
        return f"gets {'lasttoken' if kind == Kind.CAUSAL else 'mean'} pooling"
    for module in modules:
        config = folder / module["path"] / "config.json"
        if module["type"].endswith(".Pooling") and config.is_file():
            content = read_json_object(config)
            older = [mode for key, mode in _OLDER_POOLING.items() if content.get(key)]
            return f"{content.get('pooling_mode') or ' and '.join(older) or 'unknown'} pooling"
    return ""
