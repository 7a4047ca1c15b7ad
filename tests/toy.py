"""Known-answer parts for tests: a tiny encoder made in code, and a toy corpus whose languages are ciphers of one."""

from __future__ import annotations

import random
from pathlib import Path

N_WORDS = 60
LANGUAGES = ("eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn")


def word(language: str, number: int) -> str:
    """Return the toy word of a language: `deu07` means what `eng07` means."""
    return f"{language[:3]}{number:02d}"


def toy_rows(n_rows: int, seed: int = 0, missing: float = 0.0) -> list[dict[str, str | None]]:
    """Return rows of 3 to 8 toy words, the same sentence in every language; pivots are never missing."""
    draw = random.Random(seed)
    rows: list[dict[str, str | None]] = []
    seen: set[tuple[int, ...]] = set()
    while len(rows) < n_rows:
        numbers = tuple(draw.randrange(N_WORDS) for _ in range(draw.randint(3, 8)))
        if numbers in seen:
            continue
        seen.add(numbers)
        row: dict[str, str | None] = {}
        for language in LANGUAGES:
            absent = language != "eng_Latn" and draw.random() < missing
            row[language] = None if absent else " ".join(word(language, number) for number in numbers)
        rows.append(row)
    return rows


def toy_tokenizer(folder: Path, max_tokens: int) -> int:
    """Save a word-level tokenizer of the toy words; return the size of its vocabulary."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [word(language, number) for language in LANGUAGES for number in range(N_WORDS)]
    vocabulary = {piece: i for i, piece in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>",
        unk_token="<unk>", pad_token="<pad>", mask_token="<mask>", model_max_length=max_tokens,
    ).save_pretrained(folder)  # fmt: skip
    return len(vocabulary)


def toy_transformer(folder: Path, *, max_tokens: int = 16, dropout: float = 0.0, seed: int = 0) -> Path:
    """Save a bare random XLM-R of one layer, 32 dimensions and a word-level tokenizer of the toy words."""
    import torch  # here, for the toy rows are also made in processes that need none of it
    from transformers import XLMRobertaConfig, XLMRobertaModel

    config = XLMRobertaConfig(
        vocab_size=toy_tokenizer(folder, max_tokens), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=max_tokens + 2, type_vocab_size=1, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout, initializer_range=0.3,
    )  # fmt: skip
    torch.manual_seed(seed)
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def toy_encoder(folder: Path, *, max_tokens: int = 16, dropout: float = 0.0, seed: int = 0) -> Path:
    """Save the same as a sentence-transformers folder with mean pooling and normalisation."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    bare = toy_transformer(folder.with_name(folder.name + "-bare"), max_tokens=max_tokens, dropout=dropout, seed=seed)
    transformer = Transformer(str(bare), max_seq_length=max_tokens)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu").save(str(folder))
    return folder


def knowing_encoder(folder: Path) -> Path:
    """Save a toy encoder that knows what its words mean: those of one number have one embedding in every language."""
    import torch
    from sentence_transformers import SentenceTransformer

    toy_encoder(folder, max_tokens=40)
    model = SentenceTransformer(str(folder), device="cpu")
    table = model[0].auto_model.get_input_embeddings().weight
    with torch.no_grad():
        for place in range(1, len(LANGUAGES)):
            table[5 + place * N_WORDS : 5 + (place + 1) * N_WORDS] = table[5 : 5 + N_WORDS]
    model.save(str(folder))
    return folder


def toy_decoder(folder: Path, *, max_tokens: int = 16, seed: int = 0) -> Path:
    """Save a bare random Qwen3 of two layers with grouped key heads, which attends causally."""
    import torch
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(
        vocab_size=toy_tokenizer(folder, max_tokens), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, intermediate_size=64, max_position_embeddings=64, pad_token_id=1,
    )  # fmt: skip
    torch.manual_seed(seed)
    Qwen3Model(config).save_pretrained(folder)
    return folder
