"""Settings that every command with an encoder shares: how it is loaded and how it reads a text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hexapla.runs.ranges import Tokens
from hexapla.runs.settings import SAFETY, Flag, settings

Pooling = Literal["mean", "cls", "lasttoken"]

ENCODER = Flag(group="Encoder")
# Searching among more rows is slower and hardly steadier: the standard error of an accuracy on 1000
# rows is at most 1.6 points.
MAX_HELD_OUT_ROWS = 1000
MAX_PROMPT = 10_000  # characters; instructions have some hundreds
_LOADING = ("trust_remote_code", "allow_pickle", "max_tokens", "pooling", "prompt")


@settings
class LoadSettings:
    """What an encoder may do when it is loaded."""

    trust_remote_code: Annotated[bool, SAFETY] = False
    """Run Python code that comes with the encoder."""
    allow_pickle: Annotated[bool, SAFETY] = False
    """Load weights in formats other than safetensors."""


@settings
class PromptSettings:
    """How much of a text is read, and what stands before it."""

    max_tokens: Annotated[Annotated[Tokens, Field(ge=3)] | None, ENCODER] = None
    """Truncate longer texts. By default the encoder's own limit."""
    prompt: Annotated[Annotated[str, Field(max_length=MAX_PROMPT)] | None, ENCODER] = None
    """Text put before every text, "" for none. By default the one that the encoder saved for bitext
    or for queries. An E5 that saved none, known by its name, its files or its base, gets its own:
    "query: ", or an instruction for "-instruct"."""

    @property
    def loading(self) -> dict[str, Any]:
        """The arguments of `load_encoder` that these settings hold."""
        return {key: getattr(self, key) for key in _LOADING if hasattr(self, key)}


@settings
class PoolingSettings(PromptSettings):
    """How a text becomes a vector."""

    pooling: Annotated[Pooling | None, ENCODER] = None
    """Pooling of a bare transformer. By default the last token where attention is causal, and the
    mean elsewhere."""


@settings
class EncodingSettings(PoolingSettings, LoadSettings):
    """How an encoder is loaded and how it turns a text into a vector."""
