"""The tokenizer of the tiny encoder, which `pretrain_tiny.py` trains."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
N_PIECES, MAX_TOKENS = 16_000, 128
# Text without spaces is split into short runs, only while the tokenizer is trained: the time of
# Unigram's search for seed pieces is quadratic in the length of a run.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}]{1,4}|\p{Thai}{1,6}"


def train_tokenizer(sentences: list[str]) -> PreTrainedTokenizerFast:
    """Train a Unigram tokenizer of `N_PIECES` pieces, with XLM-R's special tokens and template."""
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
