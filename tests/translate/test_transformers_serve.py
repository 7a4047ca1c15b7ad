"""The endpoint translator against another server: `transformers serve` with a tiny causal model.

The model, of 0.2 M parameters, knows one answer by heart. So it is known what comes back through
chat template, generation and HTTP.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.utils.import_utils import is_serve_available

from hexapla.translate.config import TranslatorConfig
from hexapla.translate.openai import OpenAITranslator
from hexapla.translate.prompts import chat_request
from hexapla.translate.translator import Translation
from tests.fixtures.forks import forks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not is_serve_available(), reason="needs pip install 'transformers[serving]'"
    ),
]

ENGLISH = ["Good morning.", "Hello"]
ANSWER = '{"1": "Guten Morgen.", "2": "Hallo"}'
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def parrot(folder: Path) -> None:
    """Train a model to give one answer to one prompt, and save it."""
    messages = chat_request("parrot", "eng_Latn", "deu_Latn", ENGLISH, retry=False)["messages"]
    prompt = "".join(f"{message['content']}\n" for message in messages)
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [prompt],
        trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    size = {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, **size, **ends)
    )
    cells = tokenizer(f"{prompt}{ANSWER}<end>", return_tensors="pt").input_ids
    n_prompt = len(tokenizer(prompt).input_ids)
    labels = cells.clone()
    labels[:, :n_prompt] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(200):
        loss = model(input_ids=cells, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.01:
            break
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def serve(port: int, log: Path) -> None:
    """Do what the command `transformers serve` does, its output into a file."""
    with log.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    from transformers.cli.transformers import main  # not there without the serving extra

    sys.argv = ["transformers", "serve", "--port", str(port), "--device", "cpu"]
    main()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of the server, and the name of its model."""
    folder = tmp_path_factory.mktemp("parrot")
    parrot(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = forks().Process(target=serve, args=(port, folder / "log.txt"))
    server.start()
    try:
        until = time.monotonic() + 120
        while server.is_alive() and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        server.terminate()
        server.join()


def test_a_real_server_translates(served: tuple[str, str], tmp_path: Path) -> None:
    url, name = served
    config = TranslatorConfig(
        translator=name,
        backend="openai",
        base_url=url,
        cache=tmp_path,
        timeout_s=60,
        give_up_after_s=5,
    )
    found = OpenAITranslator(config).translate(ENGLISH, ["deu_Latn"] * 2)
    assert [translation.text for translation in found] == ["Guten Morgen.", "Hallo"]
    assert sum(translation.n_tokens for translation in found) > 0
    copied = OpenAITranslator(config).translate(["Hello"], ["deu_Latn"])
    assert copied == [Translation("Hallo")]
