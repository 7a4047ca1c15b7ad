"""Loading an encoder as a SentenceTransformer, and its prompts.

A folder is checked before anything of it is loaded (`hexapla.encoder.check_encoder`). torch
and sentence-transformers are imported inside the functions, so that importing this file is cheap.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from hexapla.encoder.alignment_record import read_alignment
from hexapla.encoder.base_names import base_names
from hexapla.encoder.check_encoder import OWN_POOLING, check_encoder
from hexapla.encoder.check_prompt import check_prompt
from hexapla.encoder.check_sizes import check_sizes
from hexapla.encoder.check_weights import (
    UNUSED,
    check_finite,
    check_reports,
    is_panic,
    recorded_reports,
)
from hexapla.encoder.config import Pooling
from hexapla.encoder.fetched import index_hint
from hexapla.encoder.kind import Task, choose_prompts, e5_prompt, main_prompt, saves_prompts
from hexapla.encoder.locate import RESULT, hash_encoder, hub_answers, is_bare, split_revision
from hexapla.errors import InputError
from hexapla.runs.library_bars import no_library_bars

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

_log = logging.getLogger(__name__)


def load_encoder(
    name: str | Path,
    *,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    max_tokens: int | None = None,
    pooling: Pooling | None = None,
    prompt: str | None = None,
) -> SentenceTransformer:
    """Load an encoder in float32; a bare transformer gets pooling and normalisation, as logged.

    Args:
        name: A Hub name, with "@revision" if need be, a folder, "tiny", or "small".
        trust_remote_code: Run the encoder's own code.
        allow_pickle: Load weights other than safetensors.
        max_tokens: Truncate texts to this many tokens. By default the encoder's own limit.
        pooling: Pooling of a bare transformer. By default the last token where attention is causal,
            and the mean elsewhere.
        prompt: Text put before every text, "" for none. By default the one that the encoder saved,
            or that of E5 if it is one.

    Raises:
        InputError: See `locate` and `check_folder`; the encoder does not load; or a prompt leaves
            no room for a text.
    """
    folder = check_encoder(
        name,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
        has_pooling=pooling is not None,
    )
    if max_tokens is not None and max_tokens < 3:
        raise InputError(
            f"max_tokens is {max_tokens}; it must be 3 or more, to hold a token between two "
            "special ones"
        )
    if folder is not None:
        check_sizes(folder, trust_remote_code=trust_remote_code)
        _check_unchanged(folder)
    source, revision = split_revision(str(name)) if folder is None else (str(folder), None)
    model = _load(
        str(name),
        source,
        revision=revision,
        is_local=folder is not None,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    if is_bare(name):
        _add_pooling(model, pooling)
        _log.info(
            "%s is a bare transformer: %s pooling and normalisation added",
            name,
            model[1].pooling_mode,
        )
    elif pooling is not None:
        raise InputError(OWN_POOLING.format(name=name))
    _make_dense_exact(model)
    if max_tokens is not None:
        model.max_seq_length = min(max_tokens, model.max_seq_length or max_tokens)
    if prompt is None:
        _give_prompts(model, name)
    else:
        save_prompt(model, prompt)
    for task in get_args(Task):
        check_prompt(model, model.prompts.get(task) or "")
    return model


def _check_unchanged(folder: Path) -> None:
    """Warn of an encoder whose files are not those that `hexapla align` or `merge` saved."""
    saved = read_alignment(folder / RESULT).get("sha256")
    if saved is not None and saved != hash_encoder(folder):
        _log.warning(
            "%s: its weights, tokenizer or configuration have changed since they were saved "
            "(SHA-256 in %s); copy it again, unless that was meant",
            folder,
            RESULT,
        )


def _load(
    name: str,
    source: str,
    *,
    revision: str | None,
    is_local: bool,
    trust_remote_code: bool,
    allow_pickle: bool,
) -> SentenceTransformer:
    """Load with sentence-transformers, and check the weights.

    Raises:
        InputError: Anything that the library stumbles over in the files, and see `check_weights`.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    from hexapla.encoder.check_tokens import check_tokens, check_vectors

    model_kwargs: dict[str, object] = {"dtype": torch.float32}
    if not allow_pickle:
        model_kwargs["use_safetensors"] = True
    with recorded_reports() as reports, no_library_bars():
        try:
            model = SentenceTransformer(
                source,
                revision=revision,
                trust_remote_code=trust_remote_code,
                model_kwargs=model_kwargs,
                local_files_only=is_local or not hub_answers(),
            )
            check_reports(name, reports, _unused_layers(model))
            check_finite(name, model)
            check_tokens(name, model)
            check_vectors(name, model)
        except InputError:
            raise
        except BaseException as error:  # damaged files raise whatever their reader happens to meet
            if not isinstance(error, Exception) and not is_panic(error):
                raise
            # What was reported before the failure says more than the failure that it led to.
            check_reports(name, reports)
            reason = next(iter(str(error).strip().splitlines()), "no reason given")
            if not isinstance(error, OSError | ValueError):
                reason = f"{type(error).__name__}: {reason}"
            hint = "; check the name, the network, and that it has safetensors"
            hint = "" if is_local else f"{hint}{index_hint(name)}"
            raise InputError(
                f"{name}: could not be loaded as an encoder: {reason}{hint}"
            ) from error
    return model


def _unused_layers(model: SentenceTransformer) -> tuple[str, ...]:
    """Return the layers that may be missing; a pooler may not if its output is the vector."""
    modes = [getattr(module, "modality_config", {}) for module in model.modules()]
    outputs = [value.get("method_output_name") for mode in modes for value in mode.values()]
    if any("pool" in str(output) for output in outputs):
        return tuple(layer for layer in UNUSED if layer != "pooler.")
    return UNUSED


def _add_pooling(model: SentenceTransformer, pooling: Pooling | None) -> None:
    """Set the pooling of a bare transformer and append normalisation."""
    from sentence_transformers.sentence_transformer.modules import Normalize

    transformer = model[0].auto_model
    if transformer.config.is_encoder_decoder and hasattr(transformer, "decoder"):
        # The decoder only repeats the text; the encoder reads all of it in both directions.
        model[0].modality_config["text"]["method_output_name"] = "encoder_last_hidden_state"
        transformer = transformer.encoder
    # Where attention is causal, the last token alone has seen the whole text.
    is_causal = any(getattr(module, "is_causal", False) for module in transformer.modules())
    model[1].pooling_mode = pooling or ("lasttoken" if is_causal else "mean")
    model.append(Normalize())


def _give_prompts(model: SentenceTransformer, name: str | Path) -> None:
    """Save a prompt for every task, so that an encoder is judged with the one it is trained with.

    What it saved under other names is used, or else the prompt of E5 if it is one.
    """
    chosen = choose_prompts(model.prompts, model.default_prompt_name)
    if not saves_prompts(model.prompts) and (prompt := e5_prompt(name)):
        chosen = dict.fromkeys(get_args(Task), prompt)
    model.prompts = {**model.prompts, **chosen}
    prompts = set(chosen.values())
    if len(prompts) > 1:
        _log.info("%s: its saved prompts for bitext and similarity are used", name)
    elif prompts:
        _log.info("%s: the prompt %r is put before every text (see --prompt)", name, *prompts)
    elif is_bare(name) and len(list(base_names(name))) == 1:
        _log.info(
            "%s: no prompt; its files do not say what it was made from, and an E5 wants "
            "--prompt 'query: '",
            name,
        )


def _make_dense_exact(model: SentenceTransformer) -> None:
    from sentence_transformers.sentence_transformer.modules import Dense

    for module in model:
        if isinstance(module, Dense) and module.module_input_name == "sentence_embedding":
            exact_dense(module)


def exact_dense(module: Dense) -> Dense:
    """Make a linear layer on sentence vectors multiply in float32 under autocast too; return it.

    A layer that centres vectors in a narrow cone subtracts nearly all of them, and bfloat16 would
    leave rounding errors only.
    """
    module.forward = functools.partial(_in_float32, module.forward)
    return module


def _in_float32(
    forward: Callable[[dict[str, Any]], dict[str, Any]], features: dict[str, Any]
) -> dict[str, Any]:
    import torch

    vectors = features["sentence_embedding"].float()
    with torch.autocast(vectors.device.type, enabled=False):
        return forward({**features, "sentence_embedding": vectors})


def training_prompt(model: SentenceTransformer) -> str:
    """Return the saved prompt that training puts before every text, "" for most encoders."""
    return main_prompt(model.prompts, model.default_prompt_name)


def save_prompt(model: SentenceTransformer, prompt: str, *, ordinary: bool = False) -> None:
    """Save a prompt under MTEB's task types; in these, MTEB does not look for "query".

    Args:
        model: The encoder.
        prompt: The prompt, "" for none. It is saved too, so that no other takes its place.
        ordinary: Save it for ordinary use too: for `encode`, `encode_query` and `encode_document`.

    Raises:
        InputError: The prompt leaves no room for a text.
    """
    check_prompt(model, prompt)
    model.prompts = {**model.prompts, **dict.fromkeys(get_args(Task), prompt)}
    if ordinary:
        model.prompts = {**model.prompts, "query": prompt, "document": prompt}
        model.default_prompt_name = "query" if prompt else None
