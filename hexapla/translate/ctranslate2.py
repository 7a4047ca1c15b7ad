"""Translate with CTranslate2: weights in 8 bits on a CPU, in 16 bits on a GPU.

The library sorts and splits each call into batches itself; here the settings of its search are
chosen, and its results are read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from hexapla.errors import InputError
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.conversion import convert
from hexapla.translate.decoding import BeamSearch, CheckpointTranslator, DecodingJob, Output
from hexapla.translate.device import choose_compute_type, choose_device


class CTranslate2Translator(CheckpointTranslator):
    """A checkpoint run by CTranslate2."""

    def __init__(self, config: TranslatorConfig, files: CheckpointFiles) -> None:
        import ctranslate2

        self._device, self._index = choose_device(
            config.device, ctranslate2.get_cuda_device_count(), "CTranslate2"
        )
        supported = sorted(ctranslate2.get_supported_compute_types(self._device))
        preferred = (
            ("int8", "float32") if self._device == "cpu" else ("float16", "bfloat16", "float32")
        )
        self._compute_type = choose_compute_type(
            config.compute_type, files, supported, preferred, f"on this {self._device}"
        )
        self._translator: Any = None
        super().__init__(config, files)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_translator": None}

    def close(self) -> None:
        """Free the weights; the next `translate` loads them again."""
        self._translator = None

    def _load(self) -> Any:
        if self._translator is None:
            import ctranslate2

            folder = convert(self.checkpoint, self._compute_type, self.config.cache)
            workers, threads = _threads(self.config.threads) if self._device == "cpu" else (1, 0)
            try:
                self._translator = ctranslate2.Translator(
                    str(folder),
                    device=self._device,
                    device_index=self._index,
                    compute_type=self._compute_type,
                    inter_threads=workers,
                    intra_threads=threads,
                )
            except RuntimeError as error:
                raise InputError(
                    f"{self.checkpoint.name}: CTranslate2 cannot load it ({error})"
                ) from error
        return self._translator

    def _effective(self) -> dict[str, object]:
        return {
            "backend": "ctranslate2",
            "device": self._device,
            "compute_type": self._load().compute_type,
        }

    def _packages(self) -> Sequence[str]:
        return "ctranslate2", "transformers", "tokenizers"

    def _search(self, jobs: Sequence[DecodingJob], limit: int, search: BeamSearch) -> list[Output]:
        pieces = self.checkpoint.pieces
        translate_batch = partial(
            self._load().translate_batch,
            [[pieces[i] for i in job.ids] for job in jobs],
            target_prefix=None if jobs[0].prefix is None else [[job.prefix] for job in jobs],
            batch_type="tokens",
            beam_size=search.beam_size,
            no_repeat_ngram_size=search.no_repeat_ngram_size,
            repetition_penalty=search.repetition_penalty,
            max_input_length=0,
            max_decoding_length=limit,
            disable_unk=True,
            return_scores=True,
            return_end_token=True,
            # The default of 1 makes a Marian write something where it would write nothing.
            min_decoding_length=0,
        )
        results = self._batch_tokens.fit(
            [len(job.ids) for job in jobs],
            lambda n_tokens: translate_batch(max_batch_size=n_tokens),
        )
        return [self._output(job, result) for job, result in zip(jobs, results, strict=True)]

    def _output(self, job: DecodingJob, result: Any) -> Output:
        tokens = result.hypotheses[0]
        start = 1 if job.prefix else 0
        finished = bool(tokens) and tokens[-1] == self.checkpoint.tokenizer.eos_token
        n_tokens = len(tokens) - start
        # CTranslate2 divides the sum by all tokens, the prefix included, although it has no
        # probability.
        log_prob = result.scores[0] * len(tokens) / max(n_tokens, 1)
        ids, unknown = self.checkpoint.ids, self.checkpoint.tokenizer.unk_token_id
        kept = [ids.get(token, unknown) for token in tokens[start : len(tokens) - finished]]
        return Output(kept, log_prob, n_tokens, finished)


def _threads(threads: int | None) -> tuple[int, int]:
    """Return the number of workers, which share the weights, and of threads in each.

    Many workers with few threads translate more texts per second than one with many.
    """
    total = threads or len(os.sched_getaffinity(0))
    each = 1 if total < 8 else 4
    return max(1, total // each), each
