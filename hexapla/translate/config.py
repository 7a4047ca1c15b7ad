"""Settings of a translator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hexapla.runs.ranges import Seconds, Tokens, Workers
from hexapla.runs.settings import SAFETY, FilePath, Flag, Name, settings
from hexapla.sources.config import Pivot

Backend = Literal["auto", "ctranslate2", "transformers", "openai"]

TRANSLATOR = Flag(group="Translator")
ENDPOINT = Flag(group="Endpoint (OpenAI-compatible)")


@settings
class TranslatorConfig:
    """Settings of a translator."""

    translator: Annotated[Name, TRANSLATOR]
    """Hub name or folder of a translation model, or an endpoint's name for its model."""
    pivot: Annotated[Pivot, TRANSLATOR] = "eng_Latn"
    """Language of the texts, which is translated into the others."""
    backend: Annotated[Backend, TRANSLATOR] = "auto"
    """Library that runs the model. auto: ctranslate2 if it can run it, else transformers."""
    revision: Annotated[str | None, TRANSLATOR] = None
    """Revision of a model on the Hub."""
    beam_size: Annotated[int, Field(ge=1, le=256), TRANSLATOR] = 4
    """Beams of the search."""
    max_input_tokens: Annotated[Tokens, TRANSLATOR] = 256
    """Maximum tokens of a text; longer texts are not translated. Models lose sentences beyond about
    200 tokens."""
    batch_tokens: Annotated[Tokens, TRANSLATOR] = 4096
    """Source tokens, padding included, in one batch."""
    device: Annotated[str, TRANSLATOR] = "auto"
    """Device: auto, cpu, cuda or cuda:1."""
    compute_type: Annotated[str, TRANSLATOR] = "auto"
    """Number format: auto, or one that the backend has, such as int8, float16 or float32."""
    threads: Annotated[Workers | None, TRANSLATOR] = None
    """CPU threads of one translator. By default all cores."""
    cache: Annotated[FilePath | None, TRANSLATOR] = None
    """Folder for converted models and paid answers. By default the user's cache folder."""
    allow_pickle: Annotated[bool, SAFETY] = False
    """Load weights in formats other than safetensors."""
    base_url: Annotated[str | None, ENDPOINT] = None
    """Address of an OpenAI-compatible endpoint."""
    insecure: Annotated[bool, ENDPOINT] = False
    """Send the key over http to another machine without a warning."""
    sentences_per_request: Annotated[int, Field(ge=1, le=1000), ENDPOINT] = 20
    """Sentences in one prompt."""
    concurrency: Annotated[int, Field(ge=1, le=1000), ENDPOINT] = 4
    """Requests at once."""
    timeout_s: Annotated[Seconds, ENDPOINT] = 120.0
    """Seconds to wait for one answer."""
    give_up_after_s: Annotated[Seconds, ENDPOINT] = 600.0
    """Seconds until a request that gets no answer is given up."""
    price_in: Annotated[Annotated[float, Field(ge=0, le=1e9)] | None, ENDPOINT] = None
    """Price of a million prompt tokens, in any currency."""
    price_out: Annotated[Annotated[float, Field(ge=0, le=1e9)] | None, ENDPOINT] = None
    """Price of a million answer tokens."""
