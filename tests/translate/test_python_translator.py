"""A Python function or object as a translator: what it returns is checked, and its faults told."""

from __future__ import annotations

import logging
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.translate import python
from hexapla.translate.backends import check_translator, open_translator
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.translator import Translation

TEXTS = [f"sentence number {number} of many." for number in range(40)]
_MODULE = """
__version__ = "1.2"
calls = []

def translate(texts, source, target):
    calls.append(list(texts))
    return [f"{source}-{target}: {text}" for text in texts]

class Engine:
    def translate(self, texts, source, target):
        return tuple(text.upper() for text in texts)

class Shelf:
    engine = Engine()

engine, shelf, number = Engine(), Shelf(), 5

def two(texts, source):
    return texts
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module, from which the command is called."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    (tmp_path / "my_mt.py").write_text(_MODULE)
    yield tmp_path
    for name in ("my_mt", "bad_mt"):
        sys.modules.pop(name, None)


def opened(name: str = "my_mt:translate", **settings: Any) -> Any:
    return open_translator(TranslatorConfig(translator=name, backend="python", **settings))


def with_function(folder: Path, body: str) -> Any:
    """Return the translator that a function with this body is, called `bad_mt:translate`."""
    (folder / "bad_mt.py").write_text(f"def translate(texts, source, target):\n    {body}\n")
    return opened("bad_mt:translate")


def texts_of(found: list[Translation]) -> list[str | None]:
    return [translation.text for translation in found]


def test_a_function_gets_texts_of_one_language_with_its_codes() -> None:
    translator = opened(codes=("eng_Latn=en", "deu_Latn=ger", "fra_Latn=fre"))
    found = translator.translate(
        ["one", "two\nlines", "one", " "], ["deu_Latn", "fra_Latn", "fra_Latn", "deu_Latn"]
    )
    assert texts_of(found) == ["en-ger: one", "en-fre: two lines", "en-fre: one", None]
    assert found[3].problem == "empty"
    assert sys.modules["my_mt"].calls[2:] == [["one"], ["two lines", "one"]]


def test_a_batch_has_as_many_texts_as_its_tokens_allow() -> None:
    opened(batch_tokens=80).translate(TEXTS, ["deu_Latn"] * len(TEXTS))
    calls = sys.modules["my_mt"].calls[1:]
    assert [len(texts) for texts in calls] == [12, 11, 11, 6]
    assert [text for texts in calls for text in texts] == TEXTS


@pytest.mark.parametrize("name", ["my_mt:engine", "my_mt:shelf.engine", "my_mt:engine.translate"])
def test_an_object_with_a_method_is_a_translator(name: str) -> None:
    assert texts_of(opened(name).translate(["one"], ["deu_Latn"])) == ["ONE"]


def test_it_travels_to_another_process_and_is_imported_there() -> None:
    translator = opened()
    translator.check(["deu_Latn"])
    sent = pickle.loads(pickle.dumps(translator))
    assert texts_of(sent.translate(["one"], ["deu_Latn"])) == ["en-de: one"]


def test_facts_name_the_function_and_the_content_of_its_module(folder: Path) -> None:
    facts = opened().facts()
    assert (facts["name"], facts["version"], facts["codes"]) == (
        "my_mt:translate",
        "1.2",
        "BCP 47",
    )
    del sys.modules["my_mt"]
    (folder / "my_mt.py").write_text(f"{_MODULE}# changed\n")
    changed = opened().facts()
    assert {key for key in facts if facts[key] != changed[key]} == {"files"}


NAMES = {
    "my_mt": "must be a function or an object as module:name, such as my_mt:translate",
    "my mt:translate": "must be a function or an object as module:name",
    "my_mt:": "must be a function or an object as module:name",
    "./my_mt.py:translate": "must be a function or an object as module:name",
    "no_such_mt:translate": "no module no_such_mt; install it, or run where it lies",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_no_module_is_refused_without_importing_anything(name: str) -> None:
    config = TranslatorConfig(translator=name, backend="python")
    with pytest.raises(InputError, match=NAMES[name]):
        check_translator(config, ["deu_Latn"])


TARGETS = {
    "my_mt:nothing": "my_mt:nothing: the module has no nothing",
    "my_mt:number": r"is no function and has no method translate\(texts, source, target\)",
    "my_mt:Engine": "my_mt:Engine is a class; name an object of it, or a function",
    "my_mt:two": r"my_mt:two cannot be called as translate\(texts, source, target\): too many",
    "my_mt.inner:translate": "importing it raised ModuleNotFoundError: No module named 'my_mt.inn",
}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_no_translator_is_refused_before_the_first_sentence(name: str) -> None:
    with pytest.raises(InputError, match=TARGETS[name]):
        opened(name).check(["deu_Latn"])


BODIES = {
    "raise ValueError('no\\nGPU')": r"\(deu_Latn\) raised ValueError: no GPU",
    "import sys; sys.exit('license')": "raised SystemExit: license",
    "return texts[0]": "returned a str; it must return a list of texts",
    "return None": "returned a NoneType; it must return a list of texts",
    "return []": "returned 0 texts for 1",
    "return texts * 2": "returned 2 texts for 1",
    "return [5 for _ in texts]": "returned a list of int, not of texts",
}


@pytest.mark.parametrize("body", BODIES)
def test_a_function_that_does_not_translate_is_told_at_the_first_sentence(
    body: str, folder: Path
) -> None:
    with pytest.raises(InputError, match=BODIES[body]):
        with_function(folder, body).check(["deu_Latn"])


def test_a_module_that_cannot_be_imported_is_told(folder: Path) -> None:
    (folder / "bad_mt.py").write_text("import no_such_library\n")
    with pytest.raises(
        InputError, match="importing it raised ModuleNotFoundError: No module named"
    ):
        opened("bad_mt:translate").check(["deu_Latn"])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("return [text for text in texts if 'number 7 ' not in text]", "misaligned"),
        ("return [text for text in texts if 'number 7 ' not in text or 1 / 0]", "exception"),
        ("return [5 if 'number 7 ' in text else text for text in texts]", "unreadable answer"),
    ],
)
def test_the_sentence_at_which_it_fails_is_named_and_refused_alone(
    body: str, problem: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = with_function(folder, body).translate(TEXTS, ["deu_Latn"] * len(TEXTS))
    expected: list[str | None] = [*TEXTS]
    expected[7] = None
    assert texts_of(found) == expected
    assert found[7].problem == problem
    named = [f'no translation of "{TEXTS[7]}"' in message for message in caplog.messages]
    assert named == ([] if problem == "unreadable answer" else [True])


def test_a_function_that_refuses_all_sentences_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(python, "MAX_REFUSED", 4)
    body = "return texts if texts == ['70416.'] else []"
    with pytest.raises(InputError, match="returned 0 texts for 1; nor of the 3 sentences before"):
        with_function(folder, body).translate(TEXTS, ["deu_Latn"] * len(TEXTS))
