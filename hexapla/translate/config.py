"""Settings of a translator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hexapla.errors import InputError
from hexapla.runs.ranges import Seconds, Tokens, Workers
from hexapla.runs.settings import SAFETY, FilePath, Flag, Name, settings
from hexapla.sources.config import Pivot
from hexapla.translate.language_codes import parse_codes

Backend = Literal["auto", "ctranslate2", "transformers", "openai", "command", "python"]
Streams = Literal["auto", "always", "never"]

TRANSLATOR = Flag(group="Translator")
ENDPOINT = Flag(group="Endpoint (OpenAI-compatible)")
PLUGGED = Flag(group="Program or Python function")

Codes = Annotated[
    tuple[str, ...], BeforeValidator(parse_codes), Flag(metavar="LANG=CODE,..."), PLUGGED
]


@settings
class TranslatorConfig:
    """Settings of a translator."""

    translator: Annotated[Name, TRANSLATOR]
    """Hub name ("org/name" or "org/name@revision") or folder of a translation model, or an
    endpoint's name for its model; with backend command a program and its arguments, in which
    {source} and {target} stand for the languages; with backend python a function or object as
    module:name."""
    pivot: Annotated[Pivot, TRANSLATOR] = "eng_Latn"
    """Language of the texts, which is translated into the others."""
    backend: Annotated[Backend, TRANSLATOR] = "auto"
    """What translates: a library that runs a model (auto: ctranslate2 if it can run it, else
    transformers), an endpoint, a program that reads and writes lines, or a Python function."""
    revision: Annotated[str | None, TRANSLATOR] = None
    """Revision of a model on the Hub, where its name has none."""
    beam_size: Annotated[int, Field(ge=1, le=256), TRANSLATOR] = 4
    """Beams of the search."""
    max_input_tokens: Annotated[Tokens, TRANSLATOR] = 256
    """Maximum tokens of a text; longer texts are not translated. Models lose sentences beyond about
    200 tokens."""
    batch_tokens: Annotated[Tokens, TRANSLATOR] = 4096
    """Source tokens, padding included, in one batch. Those of an endpoint, a program and a function
    are estimated."""
    device: Annotated[str, TRANSLATOR] = "auto"
    """Device: auto, cpu, cuda or cuda:1."""
    compute_type: Annotated[str, TRANSLATOR] = "auto"
    """Number format: auto, or one that the backend has, such as int8, float16 or float32."""
    threads: Annotated[Workers | None, TRANSLATOR] = None
    """CPU threads of one translator; a program gets the number as OMP_NUM_THREADS. By default all
    cores."""
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
    """Seconds to wait for one answer: of an endpoint, or a program's next line. A program that
    answers at its end gets this time for each batch of its input."""
    give_up_after_s: Annotated[Seconds, ENDPOINT] = 600.0
    """Seconds until a request that gets no answer is given up."""
    price_in: Annotated[Annotated[float, Field(ge=0, le=1e9)] | None, ENDPOINT] = None
    """Price of a million prompt tokens, in any currency."""
    price_out: Annotated[Annotated[float, Field(ge=0, le=1e9)] | None, ENDPOINT] = None
    """Price of a million answer tokens."""
    codes: Codes = ()
    """Codes by which the program or function knows the languages, the pivot among them:
    eng_Latn=en,deu_Latn=de. By default BCP 47 tags, such as de and zh-Hant. For a model, its
    language tokens where it has several for one language: por_Latn=pt_BR."""
    version_command: Annotated[str | None, PLUGGED] = None
    """Command that prints the version of the program or function, for the record of the corpus."""
    streams: Annotated[Streams, PLUGGED] = "auto"
    """Whether the program answers while its input is open, so that it need not start again for each
    shard. auto asks it, and waits 20 seconds."""

    def __post_init__(self) -> None:
        """Refuse settings that the backend does not have."""
        if self.version_command and self.backend not in ("command", "python"):
            raise InputError(
                "version_command is a setting of programs and Python functions; use it with "
                "--backend command or --backend python"
            )
        if self.codes and self.backend == "openai":
            raise InputError(
                "codes is a setting of programs, Python functions and models with language tokens; "
                "an endpoint gets the names of languages, so leave it out"
            )
        if self.revision and not self.is_checkpoint:
            raise InputError(
                f"revision is a setting of models on the Hub; with --backend {self.backend} leave "
                "it out"
            )
        if self.backend != "command" and self.streams != "auto":
            raise InputError("streams is a setting of programs; use it with --backend command")

    @property
    def is_checkpoint(self) -> bool:
        """Whether the translator is a Hub name or a folder."""
        return self.backend in ("auto", "ctranslate2", "transformers")
