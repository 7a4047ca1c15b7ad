"""Pretrain the tiny encoder that the package carries, a small XLM-R.

In: the folders `stsb-mt`, `courses` and `ntrex` of multi-way data (recipes/README.md says where to
get them). Every cell is a training sentence by itself, and two languages of a row are never put
side by side, so that the encoder learns about translation without supervision. SIB-200, Tatoeba and
the STS dev and test pairs are not read, since encoders are evaluated on them.
Out: a sentence-transformers folder of about 15 MB with mean pooling, normalisation, fp16
safetensors and the tokenizer.

On a CPU with bf16, most of the time goes to attention and to the softmax over 16,000 pieces.
Therefore there is no dropout, with which attention on a CPU is slow; the sentences of a batch have
nearly the same length; and only masked positions reach the softmax. Token embeddings start from an
SVD of co-occurrences within sentences. The matrices of the layers are trained by Muon, and all
other weights by AdamW. `--start` continues from the encoder of an earlier run, with its tokenizer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import scipy.sparse
import scipy.sparse.linalg
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForMaskedLM

from recipes.tiny_card import card
from recipes.tiny_tokenizer import MAX_TOKENS, train_tokenizer

SOURCES = {"stsb-mt/train.parquet": 4, "ntrex/test.parquet": 4, "courses/train.parquet": 1}
"""How often each file is read in an epoch."""
MASKED_SHARE, BATCH_TOKENS = 0.15, 8192


def read_sentences(data: Path) -> dict[str, list[str]]:
    """Return the distinct sentences of each source file, of all languages, ordered by hash."""
    sentences: dict[str, list[str]] = {}
    for name in SOURCES:
        table = pq.read_table(data / name)
        languages = [
            column for column in table.column_names if column[3:4] == "_" and len(column) == 8
        ]
        cells = {
            cell
            for language in languages
            for cell in table[language].to_pylist()
            if cell and cell.strip()
        }
        sentences[name] = sorted(cells, key=lambda cell: hashlib.sha256(cell.encode()).digest())
    return sentences


def cooccurrence_embeddings(
    encoded: list[np.ndarray], n_pieces: int, dim: int, std: float
) -> torch.Tensor:
    """Return (n_pieces, dim) embeddings from an SVD of positive PMI in a window of five tokens.

    Args:
        encoded: Token ids of each sentence.
        n_pieces: Size of the vocabulary.
        dim: Dimensions of an embedding.
        std: Standard deviation that the embeddings are scaled to.
    """
    flat = np.concatenate(encoded)
    owner = np.repeat(np.arange(len(encoded), dtype=np.int32), [len(ids) for ids in encoded])
    counts = scipy.sparse.csr_matrix((n_pieces, n_pieces), dtype=np.float32)
    for gap in range(1, 6):
        same = owner[gap:] == owner[:-gap]
        left, right = flat[:-gap][same], flat[gap:][same]
        ones = np.full(len(left), 1.0 / gap, dtype=np.float32)
        counts += scipy.sparse.coo_matrix((ones, (left, right)), shape=counts.shape).tocsr()
    counts = (counts + counts.T).tocoo()
    totals = np.asarray(counts.sum(axis=1)).ravel() + 1e-9
    context = totals**0.75 / (totals**0.75).sum()
    pmi = np.log(counts.data / (totals[counts.row] * context[counts.col]))
    keep = pmi > 0
    positive = scipy.sparse.csr_matrix(
        (pmi[keep], (counts.row[keep], counts.col[keep])), shape=counts.shape
    )
    left_vectors, values, _ = scipy.sparse.linalg.svds(positive, k=dim, random_state=0)
    vectors = left_vectors * np.sqrt(values)
    # A random rotation spreads the variance over all dimensions.
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0]
    vectors = vectors @ rotation
    return torch.tensor(vectors / vectors.std() * std, dtype=torch.float32)


def batches(encoded: list[np.ndarray], copies: np.ndarray, seed: int) -> Iterator[torch.Tensor]:
    """Yield the batches of one epoch: (n, width) ids, sentences of nearly the same length.

    A batch has about `BATCH_TOKENS` tokens.

    Args:
        encoded: Token ids of each sentence.
        copies: (n_sentences,) how often each sentence is in the epoch.
        seed: Seed of the order.
    """
    rng = np.random.default_rng(seed)
    order = np.repeat(np.arange(len(encoded)), copies)
    rng.shuffle(order)
    pools = [order[start : start + 40_000] for start in range(0, len(order), 40_000)]
    for pool in pools:
        groups: list[list[int]] = [[]]
        for index in sorted(pool.tolist(), key=lambda index: len(encoded[index])):
            if groups[-1] and (len(groups[-1]) + 1) * len(encoded[index]) > BATCH_TOKENS:
                groups.append([])
            groups[-1].append(index)
        random.Random(seed).shuffle(groups)
        for group in groups:
            ids = torch.ones(
                len(group), max(len(encoded[index]) for index in group), dtype=torch.long
            )
            for line, index in enumerate(group):
                ids[line, : len(encoded[index])] = torch.from_numpy(encoded[index].astype(np.int64))
            yield ids


def masked_loss(
    model: XLMRobertaForMaskedLM, ids: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Return the mean loss at masked positions of (n, width) ids, in nats.

    Of the chosen positions 80 % are masked, 10 % replaced and 10 % left, as in BERT.
    """
    draw = torch.rand(ids.shape, generator=generator)
    chosen = (draw < MASKED_SHARE) & (ids > 2)
    fate = torch.rand(ids.shape, generator=generator)
    noisy = torch.where(chosen & (fate < 0.8), 4, ids)
    other = torch.randint(5, model.config.vocab_size, ids.shape, generator=generator)
    noisy = torch.where(chosen & (fate >= 0.9), other, noisy)
    device = model.device
    with torch.autocast(device.type, dtype=torch.bfloat16):
        hidden = model.roberta(
            noisy.to(device), attention_mask=(ids != 1).long().to(device)
        ).last_hidden_state
        logits = model.lm_head(hidden[chosen.to(device)])
    return torch.nn.functional.cross_entropy(logits.float(), ids[chosen].to(device))


def make_optimizers(
    model: XLMRobertaForMaskedLM, peak: float, *, muon: bool
) -> list[torch.optim.Optimizer]:
    """Return AdamW for all weights, or Muon for the matrices of the layers and AdamW for the rest.

    Muon's updates are scaled to the size of AdamW's, so that both use the same learning rate.
    """
    layers = [p for p in model.roberta.encoder.parameters() if muon and p.ndim == 2]
    inside = {id(p) for p in layers}
    rest = [p for p in model.parameters() if id(p) not in inside]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(rest, lr=peak, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    ]
    if layers:
        optimizers.append(
            torch.optim.Muon(layers, lr=peak, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
        )
    return optimizers


def pretrain(
    model: XLMRobertaForMaskedLM,
    encoded: list[np.ndarray],
    copies: np.ndarray,
    dev: list[np.ndarray],
    tokens: int,
    minutes: float,
    peak: float,
    seed: int,
    *,
    muon: bool,
) -> list[dict[str, float]]:
    """Train `model` in place until `tokens` or `minutes` are used up.

    The learning rate warms up in the first 3 % and falls to zero by a cosine.

    Returns:
        The training curve: at each of its points the tokens seen, the mean loss of the last 100
        batches and the loss on `dev`.
    """
    curve: list[dict[str, float]] = []
    optimizers = make_optimizers(model, peak, muon=muon)
    generator = torch.Generator().manual_seed(seed)
    seen, epoch, share, started, next_log, running = 0, 0, 0.0, time.time(), 0.0, []
    while share < 1:
        for ids in batches(encoded, copies, seed + epoch):
            share = min(1.0, max(seen / tokens, (time.time() - started) / (60 * minutes)))
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = (
                        peak
                        * min(1.0, share / 0.03 + 1e-3)
                        * (0.5 + 0.5 * math.cos(math.pi * share))
                    )
            loss = masked_loss(model, ids, generator)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            seen += int((ids != 1).sum())
            running.append(loss.item())
            if share >= next_log:
                with torch.no_grad():
                    fixed = torch.Generator().manual_seed(0)
                    ones = np.ones(len(dev), dtype=np.int64)
                    losses = [
                        masked_loss(model, batch, fixed).item() for batch in batches(dev, ones, 0)
                    ]
                curve.append(
                    {
                        "tokens": seen,
                        "epoch": epoch,
                        "train": round(float(np.mean(running[-100:])), 4),
                        "dev": round(float(np.mean(losses)), 4),
                        "tokens_per_s": round(seen / (time.time() - started)),
                    }
                )
                print(json.dumps(curve[-1]), flush=True)
                next_log += 0.04
            if share >= 1:
                return curve
        epoch += 1
    return curve


def save_encoder(
    model: XLMRobertaForMaskedLM, tokenizer: PreTrainedTokenizerFast, out: Path, text: str
) -> None:
    """Save the encoder without LM head as a sentence-transformers folder in fp16, and a card."""
    body = out / "body"
    model.roberta.half().save_pretrained(body)
    tokenizer.save_pretrained(body)
    transformer = Transformer(str(body), max_seq_length=MAX_TOKENS)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    SentenceTransformer(modules=[transformer, pooling, Normalize()]).half().save(str(out / "tiny"))
    (out / "tiny" / "README.md").write_text(text)
    # Without the indentation that doubles its size.
    tokenizer_file = out / "tiny" / "tokenizer.json"
    tokenizer_file.write_text(
        json.dumps(json.loads(tokenizer_file.read_text()), ensure_ascii=False)
    )


def main() -> None:
    """Train a tokenizer, pretrain an encoder and save it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with stsb-mt, courses and ntrex"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--tokens", type=int, default=100_000_000, help="tokens to train on")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="end after this time, if tokens are left"
    )
    parser.add_argument("--layers", type=int, default=4, help="number of layers")
    parser.add_argument("--dim", type=int, default=256, help="hidden size")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument(
        "--start", type=Path, help="encoder folder of an earlier run, to continue from"
    )
    parser.add_argument(
        "--optimizer",
        choices=("muon", "adamw"),
        default="muon",
        help="optimiser of the layers' matrices",
    )
    parser.add_argument(
        "--no-svd", action="store_true", help="start token embeddings from noise, not from an SVD"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, order and masking")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    sentences = read_sentences(args.data)
    started = time.time()
    tokenizer_folder = args.start or args.out / "tokenizer"
    if tokenizer_folder.exists():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_folder)
    else:
        sample = [
            cell
            for name, cells in sentences.items()
            for cell in cells[: 120_000 if "courses" in name else None]
        ]
        tokenizer = train_tokenizer(sample)
        tokenizer.save_pretrained(tokenizer_folder)
    print(
        json.dumps({"tokenizer_s": round(time.time() - started), "pieces": len(tokenizer)}),
        flush=True,
    )

    encoded, copies = [], []
    for name, cells in sentences.items():
        ids = tokenizer(cells, truncation=True, max_length=MAX_TOKENS)["input_ids"]
        encoded += [np.array(line, dtype=np.int32) for line in ids]
        copies += [SOURCES[name]] * len(cells)
    # Ordered by hash, the first sentences are a random sample of stsb-mt. They are not trained on.
    dev, encoded = encoded[:1500], encoded[1500:]
    copies_array = np.array(copies[1500:])
    print(
        json.dumps(
            {
                "sentences": len(encoded),
                "tokens": int(sum(map(len, encoded))),
                "tokens_an_epoch": int(
                    sum(len(ids) * n for ids, n in zip(encoded, copies_array.tolist(), strict=True))
                ),
            }
        ),
        flush=True,
    )

    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=args.dim,
        num_hidden_layers=args.layers,
        num_attention_heads=4,
        intermediate_size=4 * args.dim,
        max_position_embeddings=MAX_TOKENS + 2,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.04,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        attn_implementation="eager",
    )
    model = XLMRobertaForMaskedLM(config)
    if args.start:
        model.roberta.load_state_dict(
            AutoModel.from_pretrained(args.start, dtype=torch.float32).state_dict(), strict=False
        )
    elif not args.no_svd:
        started = time.time()
        with torch.no_grad():
            vectors = cooccurrence_embeddings(
                encoded, len(tokenizer), args.dim, config.initializer_range
            )
            vectors[1] = 0
            model.get_input_embeddings().weight.copy_(vectors)
        print(json.dumps({"svd_s": round(time.time() - started)}), flush=True)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    curve = pretrain(
        model,
        encoded,
        copies_array,
        dev,
        args.tokens,
        args.minutes,
        args.learning_rate,
        args.seed,
        muon=args.optimizer == "muon",
    )
    save_encoder(
        model.cpu(), tokenizer, args.out, card(config, curve, is_continued=args.start is not None)
    )


if __name__ == "__main__":
    main()
