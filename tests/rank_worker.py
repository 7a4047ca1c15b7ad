"""What `test_ranks.py` runs on every process: gradients of a batch that is split over them, and a whole alignment."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from accelerate import PartialState
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from hexapla.alignment import distributed as ranks
from hexapla.alignment.config import AlignConfig
from hexapla.alignment.stage import align
from hexapla.alignment.loss import MultiwayLoss
from tests.toy import LANGUAGES, toy_rows

N_ROWS = 9  # five of the first process and four of the second
SETTINGS: dict[str, dict[str, object]] = {
    "plain": {},
    "cached": {"chunk_tokens": 60},
    "all": {"negatives": "all", "margin": 0.2, "matryoshka": (32, 8)},
    "preserve": {"preserve": 2.0},
    "sharded": {"chunk_tokens": 60},
}
RUNS: dict[str, dict[str, object]] = {
    "multiway": {"held_out": 0.2, "gradient_accumulation": 2},
    "en-x": {"regime": "en-x", "chunk_tokens": 50, "whiten": "start"},
}


def batch(encoder: SentenceTransformer, rank: int, n_ranks: int) -> tuple[list[dict[str, Tensor]], Tensor]:
    """Return a process's columns of texts and the mask of its cells; two rows share a text across processes."""
    rows = toy_rows(N_ROWS, missing=0.3, seed=4)
    rows[3]["deu_Latn"] = rows[0]["deu_Latn"] = "deu01 deu02"
    own = rows[rank::n_ranks]
    mask = torch.tensor([[row[language] is not None for language in LANGUAGES] for row in own])
    return [dict(encoder.preprocess([row[language] or "x" for row in own])) for language in LANGUAGES], mask


def gradients(folder: str, name: str, rank: int, n_ranks: int) -> dict[str, Tensor]:
    """Return the loss and each parameter's gradient, as every process has them."""
    encoder = SentenceTransformer(folder, device="cpu").train()
    columns, mask = batch(encoder, rank, n_ranks)
    loss = MultiwayLoss(encoder, **SETTINGS[name])  # type: ignore[arg-type]
    if n_ranks > 1 and name == "sharded":
        for layer in encoder[0].auto_model.encoder.layer:
            fully_shard(layer)
        fully_shard(encoder)
        assert isinstance(encoder, FSDPModule)
        loss.passes.even = True
    elif n_ranks > 1:
        loss.model = DistributedDataParallel(encoder, broadcast_buffers=False, find_unused_parameters=True)
    value = with_reference(loss, encoder, columns, mask) if name == "preserve" else loss(columns, mask)
    value.backward()
    if n_ranks > 1:
        dist.all_reduce(value := value.detach().clone())
    found = {"loss": value.detach() / n_ranks}
    for key, parameter in encoder.named_parameters():
        if parameter.grad is not None:
            gradient = parameter.grad.full_tensor() if name == "sharded" and n_ranks > 1 else parameter.grad
            found[key] = gradient.clone()
    return found


def with_reference(
    loss: MultiwayLoss, encoder: SentenceTransformer, columns: list[dict[str, Tensor]], mask: Tensor
) -> Tensor:
    """Return the loss with the term that keeps pivots near what an encoder made of their lengths."""
    vectors = loss.model(dict(columns[0]))["sentence_embedding"]
    reference = torch.nn.functional.normalize(columns[0]["input_ids"][:, 1:2] + torch.arange(32.0).cos(), dim=1)
    return loss(columns, mask) + loss.preserve * loss.moved(vectors, reference)


def main(encoder: str, corpus: str, out: Path) -> None:
    """Save gradients and encoders below `out`."""
    torch.set_num_threads(1)
    PartialState(cpu=True)  # the process group, which the runs below go on with
    for name in SETTINGS:
        found = gradients(encoder, name, ranks.rank(), ranks.n_ranks())
        if ranks.rank() == 0:
            torch.save(found, out / f"{name}.pt")
    for name, settings in RUNS.items():
        run(encoder, corpus, out / name, **settings)


def run(encoder: str, corpus: str, out: Path, **settings: object) -> None:
    """Align, with what the runs have in common."""
    align(
        AlignConfig(
            corpus=corpus, encoder=encoder, out=out, rows_per_step=17, learning_rate=1e-2, epochs=2, report_to="none",
            checkpoint_steps=4, **settings,  # type: ignore[arg-type]
        ),
        quiet=True,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
