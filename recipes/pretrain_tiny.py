"""Pretrain the tiny encoder that the package carries: sentences in, an XLM-R-architecture encoder out.

In: folders `stsb-mt`, `courses` and `ntrex` of multi-way data (recipes/README.md says where to get
them). Every cell is a training sentence of its own; two languages of a row are never put side by
side, so whatever the encoder knows about translation it found without being told. SIB-200, Tatoeba
and the STS dev/test pairs are not read: they judge it.
Out: a sentence-transformers folder (mean pooling, normalised, fp16 safetensors, tokenizer
included), about 15 MB.

The decision worth knowing: on a CPU with bf16 the time goes to attention and to the 16k-way
softmax, so there is no dropout (CPU attention has a slow path with it), batches hold sentences of
one length, and only masked positions reach the softmax. Token embeddings start from an SVD of
within-sentence co-occurrences; matrices between them are trained by Muon, the rest by AdamW.
`--start` goes on from an encoder of an earlier run, with its tokenizer.
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
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModel, PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForMaskedLM

SOURCES = {
    "stsb-mt/train.parquet": 4,
    "ntrex/test.parquet": 4,
    "courses/train.parquet": 1,
}  # file -> passes an epoch
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
N_PIECES, MAX_TOKENS, MASKED_SHARE, BATCH_TOKENS = 16_000, 128, 0.15, 8192
# Runs of scripts written without spaces are cut for training only: Unigram's seed search is
# quadratic in a run.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}]{1,4}|\p{Thai}{1,6}"


def read_sentences(data: Path) -> dict[str, list[str]]:
    """Return the distinct sentences of each source file, every language alone, in a fixed shuffled order."""
    found: dict[str, list[str]] = {}
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
        found[name] = sorted(cells, key=lambda cell: hashlib.sha256(cell.encode()).digest())
    return found


def train_tokenizer(sentences: list[str]) -> PreTrainedTokenizerFast:
    """Train a Unigram tokenizer of `N_PIECES` pieces with XLM-R's special tokens and template."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    spaces = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [spaces, pre_tokenizers.Split(Regex(UNSPACED), "isolated")]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=N_PIECES,
        special_tokens=SPECIAL,
        unk_token="<unk>",
        max_piece_length=12,
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.pre_tokenizer = spaces
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        cls_token="<s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_max_length=MAX_TOKENS,
    )


def cooccurrence_embeddings(
    encoded: list[np.ndarray], n_pieces: int, dim: int, std: float
) -> torch.Tensor:
    """Return (n_pieces, dim) vectors: an SVD of positive PMI within a window of five, scaled to `std`."""
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
    vectors = (
        vectors @ np.linalg.qr(np.random.default_rng(0).normal(size=(dim, dim)))[0]
    )  # spread the variance
    return torch.tensor(vectors / vectors.std() * std, dtype=torch.float32)


def batches(encoded: list[np.ndarray], copies: np.ndarray, seed: int) -> Iterator[torch.Tensor]:
    """Yield (n, width) id tensors for one epoch, each of about `BATCH_TOKENS` tokens of nearly one length."""
    rng = np.random.default_rng(seed)
    order = np.repeat(np.arange(len(encoded)), copies)
    rng.shuffle(order)
    pools = [order[start : start + 40_000] for start in range(0, len(order), 40_000)]
    for pool in pools:
        pool = sorted(pool.tolist(), key=lambda index: len(encoded[index]))
        groups: list[list[int]] = [[]]
        for index in pool:
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
    """Return the mean loss (nats) on masked positions of (n, width) ids; BERT's 80/10/10 replacement."""
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
    """Return Muon for the matrices of the layers and AdamW for the rest, or AdamW for all; one rate suits both."""
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
    """Train `model` in place until `tokens` or `minutes` are spent: 3 % warm-up, cosine to zero.

    Returns:
        The curve: tokens seen, loss on the last 100 batches and on `dev`, again and again.
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
    """Write the body (no LM head) as a sentence-transformers folder in fp16, and its card."""
    body = out / "body"
    model.roberta.half().save_pretrained(body)
    tokenizer.save_pretrained(body)
    transformer = Transformer(str(body), max_seq_length=MAX_TOKENS)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    SentenceTransformer(modules=[transformer, pooling, Normalize()]).half().save(str(out / "tiny"))
    (out / "tiny" / "README.md").write_text(text)
    tokenizer_file = out / "tiny" / "tokenizer.json"  # written indented, which doubles it
    tokenizer_file.write_text(
        json.dumps(json.loads(tokenizer_file.read_text()), ensure_ascii=False)
    )


CARD = """---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [sentence-transformers, sentence-similarity, feature-extraction]
---

# tiny

The encoder that Hexapla carries for its demo, its tests and trials: an XLM-R-architecture masked language model of
{layers} layers of {dim} with {pieces} Unigram pieces, mean pooling and normalisation, in fp16. Made by
`recipes/pretrain_tiny.py`; it was never shown that two sentences are translations.

## Data

749,167 single sentences in 30 languages: STSb Multi MT's training sentences in 11 and NTREX-128 in 30 (both CC
BY-SA 4.0, both four times an epoch), and machine-translated course texts in 30 (MIT). No two languages of a row stand
side by side. SIB-200, Tatoeba and the STS dev and test pairs were not read.

## Training

{steps}

Nats per masked position on 1,500 sentences of STSb that were not trained on:

| tokens of this run | training | held out |
|---:|---:|---:|
{curve}

## Limits

It is not for use: it knows captions, news and one field's course texts, nothing of the world, and cuts texts beyond 128
tokens. It places translations apart, on purpose. It has no dropout, so `pivot-only` cannot train it. Align it, or take
a real encoder.
"""
START = "On from an earlier run, by Muon (matrices of the layers) and AdamW (the rest), 15 % masked, no dropout."
FRESH = "From a co-occurrence SVD, by Muon (matrices of the layers) and AdamW (the rest), 15 % masked, no dropout."


def card(config: XLMRobertaConfig, curve: list[dict[str, float]], steps: str) -> str:
    """Return the encoder's card."""
    lines = "\n".join(
        f"| {point['tokens']:,.0f} | {point['train']:.2f} | {point['dev']:.2f} |" for point in curve
    )
    return CARD.format(
        layers=config.num_hidden_layers,
        dim=config.hidden_size,
        pieces=config.vocab_size,
        steps=steps,
        curve=lines,
    )


def main() -> None:
    """Parse the command line and run the four steps."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with stsb-mt, courses and ntrex"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=100_000_000)
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after this many, if tokens are left"
    )
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument(
        "--start", type=Path, help="an encoder folder of an earlier run to go on from"
    )
    parser.add_argument("--optimizer", choices=("muon", "adamw"), default="muon")
    parser.add_argument(
        "--no-svd", action="store_true", help="start the token embeddings from noise instead"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)

    found = read_sentences(args.data)
    started = time.time()
    tokenizer_folder = args.start or args.out / "tokenizer"
    if tokenizer_folder.exists():
        tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_folder)
    else:
        few = [
            cell
            for name, cells in found.items()
            for cell in cells[: 120_000 if "courses" in name else None]
        ]
        tokenizer = train_tokenizer(few)
        tokenizer.save_pretrained(tokenizer_folder)
    print(
        json.dumps({"tokenizer_s": round(time.time() - started), "pieces": len(tokenizer)}),
        flush=True,
    )

    encoded, copies = [], []
    for name, cells in found.items():
        ids = tokenizer(cells, truncation=True, max_length=MAX_TOKENS)["input_ids"]
        encoded += [np.array(line, dtype=np.int32) for line in ids]
        copies += [SOURCES[name]] * len(cells)
    dev, encoded = (
        encoded[:1500],
        encoded[1500:],
    )  # hash order: a fair sample of stsb-mt, never trained on
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
        model.cpu(), tokenizer, args.out, card(config, curve, START if args.start else FRESH)
    )


if __name__ == "__main__":
    main()
