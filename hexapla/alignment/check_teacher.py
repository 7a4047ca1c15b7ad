"""What can be said of a teacher before it is loaded: whether it is there, and what it reads."""

from __future__ import annotations

from hexapla.alignment.config import AlignConfig
from hexapla.encoder.check_encoder import check_encoder
from hexapla.encoder.kind import e5_prompt, read_small_file
from hexapla.encoder.locate import EncoderFacts, describe
from hexapla.errors import InputError

# As `hexapla.encoder.load` chooses among saved prompts.
_CHOSEN = ("BitextMining", "bitext_query", "query")


def check_teacher(config: AlignConfig) -> EncoderFacts | None:
    """Return what is known of the teacher that settings name; None without one.

    Raises:
        InputError: The teacher is missing, not fetched or not allowed to load; or it has several
            prompts, and none of them is the one for sentences that are compared with each other.
    """
    name = config.teacher
    if name is None:
        return None
    check_encoder(
        name, trust_remote_code=config.trust_remote_code, allow_pickle=config.allow_pickle
    )
    if config.teacher_prompt is None and not e5_prompt(name):
        _check_prompts(name)
    return describe(name)


def _check_prompts(name: str) -> None:
    saved = read_small_file(name, "config_sentence_transformers.json")
    prompts = saved.get("prompts")
    if not isinstance(prompts, dict):
        return
    named = [key for key, prompt in prompts.items() if prompt]
    chosen = (*_CHOSEN, saved.get("default_prompt_name"))
    if named and not any(prompts.get(key) for key in chosen):
        raise InputError(
            f"teacher {name}: has prompts for {', '.join(map(str, named))}, and none for sentences "
            "that are compared with each other; give the text that it needs before every text, "
            'or "" for none (--teacher-prompt)'
        )
