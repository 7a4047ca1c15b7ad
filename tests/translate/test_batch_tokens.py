"""Memory that runs out makes batches smaller, for good, and changes no translation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from hexapla.errors import InputError
from hexapla.runs.out_of_memory import is_out_of_memory
from hexapla.translate.backends import open_translator
from hexapla.translate.batch_tokens import BatchTokens
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translator
from tests.fixtures.nmt import ENGLISH, TRANSLATIONS, shared_toy

Work = Callable[[int], list[str]]

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA failed with error out of memory"),
    RuntimeError("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("HIP out of memory. Tried to allocate 20 MiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("mkl_malloc: failed to allocate memory"),
    MemoryError(),
]


def batches(n: int = 4096) -> BatchTokens:
    return BatchTokens(TranslatorConfig(translator="toy", batch_tokens=n), "toy")


def fits(most: int, asked: list[int], error: Exception = ERRORS[1]) -> Work:
    """Return work that fails above some tokens, and notes what it was asked for."""

    def work(n_tokens: int) -> list[str]:
        asked.append(n_tokens)
        if n_tokens > most:
            raise error
        return ["done"]

    return work


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[int] = []
    size = batches()
    assert size.fit([10] * 900, fits(1100, asked, error)) == ["done"]
    assert size.fit([10] * 900, fits(1100, asked, error)) == ["done"]
    assert asked == [4096, 2048, 1024, 1024]
    assert [record.getMessage() for record in caplog.records] == [
        "toy: memory ran out in batches of 4,096 tokens; from now on they have at most 1,024 "
        "(--batch-tokens)"
    ]


def test_a_batch_smaller_than_the_limit_is_halved_by_its_own_size() -> None:
    asked: list[int] = []
    assert batches().fit([5, 10, 20], fits(30, asked)) == ["done"]
    assert asked == [4096, 30]


def test_one_text_that_does_not_fit_is_an_error_that_says_what_helps() -> None:
    asked: list[int] = []
    with pytest.raises(InputError, match=r"toy: the memory of device auto ran out with one text"):
        batches().fit([10, 20], fits(0, asked))
    assert asked == [4096, 20, 10]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("No position encodings are defined for positions >= 128"),
        InputError("out of memory"),
    ],
)
def test_another_error_is_not_answered_by_smaller_batches(error: Exception) -> None:
    assert not is_out_of_memory(error)
    asked: list[int] = []
    with pytest.raises(type(error), match=str(error)[:20]):
        batches().fit([10], fits(0, asked, error))
    assert asked == [4096]


class SmallMemory:
    """Stands before a method of a model, and fails if a batch has more than some tokens."""

    def __init__(self, method: Any, most: int, count: Callable[..., int]) -> None:
        self.method, self.most, self.count = method, most, count
        self.n_failed = 0

    def __call__(self, *args: Any, **settings: Any) -> Any:
        if self.count(*args, **settings) > self.most:
            self.n_failed += 1
            raise RuntimeError("CUDA failed with error out of memory")
        return self.method(*args, **settings)


class Engine:
    """A CTranslate2 model in little memory."""

    def __init__(self, engine: Any, most: int) -> None:
        self.translate_batch = SmallMemory(
            engine.translate_batch,
            most,
            lambda texts, max_batch_size, **_: min(
                max_batch_size, len(texts) * max(map(len, texts))
            ),
        )


def opened(cache: Path, backend: Any, most: int | None) -> tuple[Translator, SmallMemory | None]:
    config = TranslatorConfig(
        translator=str(shared_toy("nllb")),
        backend=backend,
        cache=cache,
        compute_type="float32",
        threads=1,
    )
    translator: Any = open_translator(config)
    if most is None:
        return translator, None
    if backend == "ctranslate2":
        translator._translator = engine = Engine(translator._load(), most)
        return translator, engine.translate_batch
    model = translator._load()
    model.generate = SmallMemory(model.generate, most, lambda input_ids, **_: input_ids.numel())
    return translator, model.generate


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_a_translator_in_little_memory_translates_the_same(backend: str, tmp_path: Path) -> None:
    texts = [*ENGLISH[:12], f"{ENGLISH[0]} {ENGLISH[1]}"]

    def translate(translator: Translator, chosen: Sequence[str]) -> list[Any]:
        found = translator.translate(chosen, ["deu_Latn"] * len(chosen))
        return [(cell.text, cell.n_tokens, cell.problem) for cell in found]

    large, _ = opened(tmp_path, backend, None)
    small, memory = opened(tmp_path, backend, 60)
    assert memory is not None
    assert translate(small, texts) == translate(large, texts)
    n_failed = memory.n_failed
    assert n_failed >= 1
    assert translate(small, texts[:12]) == translate(large, texts[:12])
    assert memory.n_failed == n_failed  # the size was kept
    assert translate(large, texts[:1])[0][0] == TRANSLATIONS["deu_Latn"][0]


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_a_translator_without_memory_for_one_sentence_is_an_error(
    backend: str, tmp_path: Path
) -> None:
    small, _ = opened(tmp_path, backend, 0)
    with pytest.raises(InputError, match="the memory of device auto ran out with one text"):
        small.translate(ENGLISH[:3], ["deu_Latn"] * 3)
