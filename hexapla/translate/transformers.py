"""Translate with transformers: slower than CTranslate2, but it runs what CTranslate2 does not.

It is also the reference for CTranslate2. The search is the same: it ends when as many outputs are
finished as there are beams, and the first token is forced and counts towards the length.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from hexapla.encoder.check_sizes import check_sizes
from hexapla.encoder.check_tokens import check_embeddings
from hexapla.encoder.check_weights import check_finite, check_reports, recorded_reports
from hexapla.errors import InputError
from hexapla.runs.library_bars import no_library_bars
from hexapla.runs.out_of_memory import is_out_of_memory
from hexapla.translate.checkpoint import Checkpoint
from hexapla.translate.checkpoint_files import CheckpointFiles
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.decoding import (
    BeamSearch,
    CheckpointTranslator,
    DecodingJob,
    Output,
)
from hexapla.translate.device import choose_compute_type, choose_device

_TYPES = ("float32", "bfloat16", "float16")


class TransformersTranslator(CheckpointTranslator):
    """A checkpoint run by transformers."""

    def __init__(self, config: TranslatorConfig, files: CheckpointFiles) -> None:
        import torch

        n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        kind, number = choose_device(config.device, n_gpus, "PyTorch")
        self._device = f"cuda:{number}" if kind == "cuda" else kind
        preferred = ("float32",) if kind == "cpu" else ("float16", "bfloat16")
        self._type = choose_compute_type(
            config.compute_type, files, _TYPES, preferred, "with transformers"
        )
        self._model: Any = None
        super().__init__(config, files)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_model": None}

    def close(self) -> None:
        """Free the weights; the next `translate` loads them again."""
        self._model = None

    def _load(self) -> Any:
        if self._model is None:
            import torch

            if self.config.threads:
                torch.set_num_threads(self.config.threads)
            model = load_model(self.checkpoint, self._type)
            try:
                self._model = model.to(self._device)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise InputError(
                    f"{self.checkpoint.name}: its weights do not fit into the memory of "
                    f"{self._device} as {self._type}; free some of it, or give another --device, "
                    "a smaller checkpoint, or --backend ctranslate2 with --compute-type int8"
                ) from error
        return self._model

    def _effective(self) -> dict[str, object]:
        return {
            "backend": "transformers",
            "device": self._device.partition(":")[0],
            "compute_type": self._type,
        }

    def _packages(self) -> Sequence[str]:
        return "transformers", "tokenizers", "torch"

    def _search(self, jobs: Sequence[DecodingJob], limit: int, search: BeamSearch) -> list[Output]:
        self._load()
        outputs: list[Output] = []
        while left := jobs[len(outputs) :]:
            first = partial(self._generate_first, left, limit, search)
            outputs += self._batch_tokens.fit([len(job.ids) for job in left], first)
        return outputs

    def _generate_first(
        self, jobs: Sequence[DecodingJob], limit: int, search: BeamSearch, n_tokens: int
    ) -> list[Output]:
        """Translate as many of the first jobs as `n_tokens` with padding hold, but at least one."""
        n = 1
        while n < len(jobs) and (n + 1) * len(jobs[n].ids) <= n_tokens:
            n += 1
        return self._generate(jobs[:n], limit, search)

    def _generate(
        self, jobs: Sequence[DecodingJob], limit: int, search: BeamSearch
    ) -> list[Output]:
        import torch

        model = self._load()
        source, mask = self._padded(jobs)
        settings = self._generation(limit, search)
        model.generation_config = settings
        with torch.inference_mode():
            generated = model.generate(
                input_ids=source,
                attention_mask=mask,
                generation_config=settings,
                logits_processor=self._forced(jobs),
            )
        if search.beam_size > 1:
            scores = generated.sequences_scores.tolist()
        else:
            steps = model.compute_transition_scores(
                generated.sequences, generated.scores, normalize_logits=True
            )
            scores = [row[row.isfinite()].mean().item() for row in steps]
        rows = generated.sequences[:, 1:].tolist()
        return [self._output(*each) for each in zip(jobs, rows, scores, strict=True)]

    def _padded(self, jobs: Sequence[DecodingJob]) -> tuple[Any, Any]:
        """Return two (B, L) tensors: the padded ids, and a mask that is 0 on padding."""
        import torch

        width, padding = max(len(job.ids) for job in jobs), self.checkpoint.tokenizer.pad_token_id
        ids = [job.ids + [padding] * (width - len(job.ids)) for job in jobs]
        mask = [[int(i < len(job.ids)) for i in range(width)] for job in jobs]
        return torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)

    def _generation(self, limit: int, search: BeamSearch) -> Any:
        from transformers import GenerationConfig

        tokenizer = self.checkpoint.tokenizer
        unwanted = {tokenizer.unk_token_id, tokenizer.pad_token_id} - {tokenizer.eos_token_id}
        return GenerationConfig(
            max_new_tokens=limit,
            num_beams=search.beam_size,
            early_stopping=search.beam_size > 1,
            do_sample=False,
            no_repeat_ngram_size=search.no_repeat_ngram_size,
            repetition_penalty=search.repetition_penalty,
            suppress_tokens=sorted(unwanted),
            decoder_start_token_id=self._load().config.decoder_start_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            return_dict_in_generate=True,
            output_scores=True,
        )

    def _forced(self, jobs: Sequence[DecodingJob]) -> list[Any]:
        """Force the first token of each output to be its language.

        `forced_bos_token_id` would be the same for the whole batch.
        """
        import torch

        if jobs[0].prefix is None:
            return []
        first = torch.tensor(
            [self.checkpoint.ids[job.prefix or ""] for job in jobs], device=self._device
        )

        def force(ids: Any, scores: Any) -> Any:
            if ids.shape[1] > 1:
                return scores
            rows = first.repeat_interleave(len(scores) // len(first)).unsqueeze(1)
            return torch.full_like(scores, -torch.inf).scatter(1, rows, 0.0)

        return [force]

    def _output(self, job: DecodingJob, ids: Sequence[int], mean: float) -> Output:
        start, end = 1 if job.prefix else 0, self.checkpoint.tokenizer.eos_token_id
        finished = end in ids[start:]
        n_tokens = (ids.index(end, start) + 1 if finished else len(ids)) - start
        # The mean is over all tokens, the forced one included, whose log-probability is 0.
        return Output(
            list(ids[start : start + n_tokens - finished]),
            mean * (n_tokens + start) / n_tokens,
            n_tokens,
            finished,
        )


def load_model(checkpoint: Checkpoint, dtype: str) -> Any:
    """Load the weights of a checkpoint.

    Raises:
        InputError: They are missing, damaged, incomplete or not numbers, or have fewer embeddings
            than the tokenizer has tokens.
    """
    from transformers import AutoModelForSeq2SeqLM

    name = checkpoint.name
    safe = checkpoint.weights()[0].suffix == ".safetensors"
    check_sizes(checkpoint.files.folder)
    with recorded_reports() as reports, no_library_bars():
        try:
            model = AutoModelForSeq2SeqLM.from_pretrained(
                str(checkpoint.files.folder),
                dtype=dtype,
                use_safetensors=safe,
                local_files_only=True,
                trust_remote_code=False,
            )
        except Exception as error:  # damaged files raise whatever their reader happens to meet
            check_reports(name, reports, unused=())
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(f"{name}: its weights cannot be read ({reason})") from error
    check_reports(name, reports, unused=())
    check_finite(name, model)
    check_embeddings(name, checkpoint.ids, model.get_input_embeddings().weight)
    return model.eval()
