"""A paid answer is never lost and never paid for again, however many processes write at once."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from hexapla.errors import InputError
from hexapla.translate.request_cache import RequestCache, request_key
from tests.fixtures.bad_endpoint import (
    NUMBERS,
    BadEndpoint,
    Reply,
    Request,
    bad_endpoint,
    german,
    good,
    texts_of,
    translator,
)

pytestmark = pytest.mark.usefixtures("quick_and_keyless")


def test_a_regrouped_text_is_found_and_another_setting_is_not(
    server: BadEndpoint, tmp_path: Path
) -> None:
    translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    again = translator(server, tmp_path, sentences_per_request=1).translate(
        ["six", "three"], ["deu_Latn"] * 2
    )
    assert texts_of(again) == german(["six", "three"])
    assert [translation.n_tokens for translation in again] == [11, 0]
    assert [list(request.sentences.values()) for request in server.requests] == [NUMBERS, ["six"]]
    translator(server, tmp_path, translator="other").translate(["one"], ["deu_Latn"])
    translator(server, tmp_path).translate(["one"], ["fra_Latn"])
    translator(server, tmp_path, pivot="nld_Latn").translate(["one"], ["deu_Latn"])
    assert len(server.requests) == 5


def test_endpoints_do_not_share_answers(server: BadEndpoint, tmp_path: Path) -> None:
    for url, n_requests in ((server.url, 1), (f"{server.url}/", 1), (f"{server.url}/b", 2)):
        translator(server, tmp_path, base_url=url).translate(["one"], ["deu_Latn"])
        assert len(server.requests) == n_requests
    with bad_endpoint() as other:
        translator(other, tmp_path).translate(["one"], ["deu_Latn"])
        assert len(other.requests) == 1


def test_an_answer_is_in_the_cache_before_the_next_request_is_sent(
    server: BadEndpoint, tmp_path: Path
) -> None:
    n_kept: list[int] = []

    def count(request: Request) -> Reply:
        if server.requests[0] is not request:
            with sqlite3.connect(tmp_path / "answers.sqlite") as connection:
                n_kept.extend(connection.execute("SELECT count(*) FROM answers").fetchone())
        return good(request)

    server.always = count
    translator(server, tmp_path, sentences_per_request=2).translate(NUMBERS, ["deu_Latn"] * 5)
    assert n_kept == [2, 4]


def test_the_key_of_an_answer_depends_on_each_of_its_parts() -> None:
    keys = [
        request_key({"name": "a", "retry": False}, "eng_Latn", "deu_Latn", "one"),
        request_key({"name": "b", "retry": False}, "eng_Latn", "deu_Latn", "one"),
        request_key({"name": "a", "retry": True}, "eng_Latn", "deu_Latn", "one"),
        request_key({"name": "a", "retry": False}, "deu_Latn", "eng_Latn", "one"),
        request_key({"name": "a", "retry": False}, "eng_Latn", "deu_Latn", "two"),
    ]
    assert len(set(keys)) == 5
    assert keys[0] == request_key({"retry": False, "name": "a"}, "eng_Latn", "deu_Latn", "one")


def _write(path: Path, number: int) -> None:
    cache = RequestCache(path)
    for step in range(20):
        cache.put({f"{number}-{step}": f"text {step}", f"shared-{step}": "both"})
        assert cache.get([f"{number}-{step}"]) == {f"{number}-{step}": f"text {step}"}


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answers.sqlite"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    expected = {f"{number}-{step}": f"text {step}" for number in range(4) for step in range(20)}
    assert RequestCache(path).get([*expected, "absent"]) == expected


def test_many_keys_are_found_in_one_call(tmp_path: Path) -> None:
    answers = {f"key {number}": f"text {number}" for number in range(1234)}
    cache = RequestCache(tmp_path / "answers.sqlite")
    cache.put(answers)
    assert cache.get(answers) == answers


def test_the_first_of_two_paid_answers_stays(tmp_path: Path) -> None:
    cache = RequestCache(tmp_path / "answers.sqlite")
    cache.put({"a": "first"})
    cache.put({"a": "second", "b": "other"})
    assert cache.get(["a", "b"]) == {"a": "first", "b": "other"}


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    path.write_text("a diary, not a database\n" * 100)
    with pytest.raises(
        InputError, match=r"answers.sqlite: file is not a database; .* give another cache"
    ):
        RequestCache(path).get(["a"])


@pytest.mark.parametrize("value", [b"bytes", b"\xff", "", "  "])
def test_a_cache_with_what_is_no_translation_is_named(tmp_path: Path, value: object) -> None:
    path = tmp_path / "answers.sqlite"
    RequestCache(path).put({"a": "eins"})
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE answers SET translation = ?", (value,))
    with pytest.raises(InputError, match=r"answers.sqlite is damaged: .*give another cache"):
        RequestCache(path).get(["a"])


@pytest.mark.parametrize(
    "table",
    ["CREATE TABLE answers (a, b)", "CREATE VIEW answers AS SELECT 1", "CREATE TABLE b (c)"],
)
def test_the_database_of_another_program_is_named_or_left_alone(tmp_path: Path, table: str) -> None:
    path = tmp_path / "answers.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(table)
    if "answers" in table:
        with pytest.raises(InputError, match=r"answers.sqlite: .*give another cache"):
            RequestCache(path).get(["a"])
    else:
        assert RequestCache(path).get(["a"]) == {}


def test_a_damaged_page_of_the_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    RequestCache(path).put({f"key {number}": "text" * 50 for number in range(500)})
    whole = bytearray(path.read_bytes())
    whole[4096:] = bytes(range(256)) * ((len(whole) - 4096) // 256)
    path.write_bytes(whole)
    with pytest.raises(InputError, match=r"answers.sqlite: .*malformed.*give another cache"):
        RequestCache(path).get(["key 1"])


def test_a_cache_that_cannot_be_made_is_reported_before_anything_is_paid(
    server: BadEndpoint, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/cache: cannot be made"):
        translator(server, tmp_path / "file" / "cache").translate(["one"], ["deu_Latn"])
    assert server.requests == []
