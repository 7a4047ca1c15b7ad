"""An endpoint is given the time that it asks for within the limit; refusals are reported at once.

An error that no retry can mend is reported with the address and the status. The key stands in the
request's header and nowhere else.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import pickle
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest
import tenacity

from hexapla.errors import InputError
from hexapla.translate import endpoint as endpoint_module
from hexapla.translate.config import TranslatorConfig
from hexapla.translate.openai import OpenAITranslator
from tests.fixtures.bad_endpoint import (
    NUMBERS,
    BadEndpoint,
    Reply,
    Request,
    german,
    good,
    refuses,
    refuses_field,
    texts_of,
    translator,
)

KEY = "sk-secret-4711"

pytestmark = pytest.mark.usefixtures("quick_and_keyless")


# Refusals


@pytest.mark.parametrize("name", ["response_format", "temperature", "max_tokens"])
def test_what_an_endpoint_refuses_by_name_is_left_out_from_then_on(
    server: BadEndpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    server.always = refuses_field(name)
    found = translator(server, tmp_path, sentences_per_request=1).translate(
        NUMBERS, ["deu_Latn"] * 5
    )
    assert texts_of(found) == german(NUMBERS)
    assert [name in request.body for request in server.requests] == [True] + [False] * 5
    assert [
        message for message in caplog.messages if f"asked without {name} from now on" in message
    ] != []


def test_a_refusal_that_names_nothing_is_tried_once_without_the_schema(
    server: BadEndpoint, tmp_path: Path
) -> None:
    server.always = refuses(422, "Unprocessable")
    with pytest.raises(
        InputError, match=r'/v1/chat/completions: status 422, .*"Unprocessable".*; 0 of 5 answers'
    ):
        translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    assert [sorted(request.body)[-2:] for request in server.requests] == [
        ["response_format", "temperature"],
        ["model", "temperature"],
    ]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "check OPENAI_API_KEY"),
        (403, "check OPENAI_API_KEY"),
        (404, "check the base URL"),
        (307, "check the base URL"),
        (402, "0 of 5"),
    ],
)
def test_a_final_refusal_is_reported_at_once(
    server: BadEndpoint, tmp_path: Path, status: int, advice: str
) -> None:
    server.always = refuses(status, "not you", Location="http://127.0.0.1:9/elsewhere")
    with pytest.raises(
        InputError, match=rf"{server.url}/chat/completions: status {status}, .*not you.*{advice}"
    ):
        translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    assert len(server.requests) == 1


def test_a_spent_quota_is_no_reason_to_wait(server: BadEndpoint, tmp_path: Path) -> None:
    message = "You exceeded your current quota, please check your plan and billing details. " * 5
    server.always = refuses(429, message, code="insufficient_quota")
    with pytest.raises(InputError, match=r'status 429, "You exceeded your current quota'):
        translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    assert len(server.requests) == 1


def test_an_answer_that_cannot_be_unpacked_is_asked_for_again(
    server: BadEndpoint, tmp_path: Path
) -> None:
    server.script = [
        lambda request: dataclasses.replace(good(request), headers={"Content-Encoding": "gzip"})
    ]
    assert texts_of(translator(server, tmp_path).translate(["one"], ["deu_Latn"])) == german(
        ["one"]
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<html>Welcome!\n</html>", '"<html>Welcome! </html>" is no chat'),
        ('{"choices": []}', "is no chat completion"),
    ],
)
def test_a_server_that_is_no_endpoint_is_reported_at_once(
    server: BadEndpoint, tmp_path: Path, body: str, said: str
) -> None:
    server.always = lambda request: Reply(body=body)
    with pytest.raises(InputError, match=said):
        translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)
    assert len(server.requests) == 1


# Waiting


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_a_passing_fault_is_waited_out(server: BadEndpoint, tmp_path: Path, status: int) -> None:
    server.script = [refuses(status), refuses(status)]
    assert texts_of(translator(server, tmp_path).translate(["one"], ["deu_Latn"])) == german(
        ["one"]
    )
    assert len(server.requests) == 3


def test_a_gateway_error_inside_a_200_is_waited_out(server: BadEndpoint, tmp_path: Path) -> None:
    server.script = [refuses(200, "upstream overloaded")]
    assert texts_of(translator(server, tmp_path).translate(["one"], ["deu_Latn"])) == german(
        ["one"]
    )


def test_retry_after_is_honoured_in_seconds_and_as_a_date(
    server: BadEndpoint, tmp_path: Path
) -> None:
    date = formatdate(time.time() + 2.7, usegmt=True)  # in whole seconds: 1.7 to 2.7 from now
    server.script = [refuses(429, Retry_After="1"), refuses(503, Retry_After=date)]
    ours = translator(server, tmp_path, give_up_after_s=20)
    assert texts_of(ours.translate(["one"], ["deu_Latn"])) == german(["one"])
    first, second, third = (request.at for request in server.requests)
    assert 1 <= second - first < 1.5
    assert 1.6 < third - first < 3.2


def test_waits_double_so_attempts_are_few(server: BadEndpoint, tmp_path: Path) -> None:
    server.always = refuses(500)
    with pytest.raises(InputError, match="no answer after"):
        translator(server, tmp_path, give_up_after_s=0.6).translate(["one"], ["deu_Latn"])
    # 0.01 + 0.02 + ... + 0.32 = 0.63 s, and up to 0.01 s more each
    assert 3 <= len(server.requests) <= 7


def test_waits_differ_between_requests_that_fail_together() -> None:
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = 4
    waits = [endpoint_module._wait(state) for _ in range(50)]
    assert len(set(waits)) > 1
    assert all(0.08 <= wait <= 0.09 for wait in waits)  # 0.01 s doubled three times


def test_a_429_without_end_is_given_up_in_time_and_says_what_is_safe(
    server: BadEndpoint, tmp_path: Path
) -> None:
    server.script = [good]
    server.always = refuses(429, "slow down")
    start = time.monotonic()
    with pytest.raises(
        InputError,
        match=r"/v1/chat/completions: no answer after \d+ attempts in [01] s: status 429, .*slow down.*; "
        r"2 of 5 answers of this part are safe in .*answers.sqlite; go on with --resume",
    ):
        translator(server, tmp_path, sentences_per_request=2, give_up_after_s=0.5).translate(
            NUMBERS, ["deu_Latn"] * 5
        )
    assert time.monotonic() - start < 3
    server.requests.clear()
    server.always = good
    assert texts_of(translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)) == german(
        NUMBERS
    )
    assert [list(request.sentences.values()) for request in server.requests] == [NUMBERS[2:]]


def test_a_wait_longer_than_the_limit_is_not_begun(server: BadEndpoint, tmp_path: Path) -> None:
    server.always = refuses(429, Retry_After="3600")
    with pytest.raises(
        InputError, match=r"after 1 attempts in 0 s: status 429, .*, Retry-After 3600 s"
    ):
        translator(server, tmp_path).translate(NUMBERS, ["deu_Latn"] * 5)


def test_an_endpoint_that_refuses_connections_is_given_up_in_time(
    server: BadEndpoint, tmp_path: Path
) -> None:
    ours = translator(server, tmp_path, give_up_after_s=0.3)
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match=r"no answer after \d+ attempts in 0 s: ConnectError"):
        ours.translate(NUMBERS, ["deu_Latn"] * 5)


@pytest.mark.parametrize("takes_s", [0.8, 3.0])
def test_a_stalled_or_trickling_answer_is_dropped_and_asked_for_again(
    server: BadEndpoint, tmp_path: Path, takes_s: float
) -> None:
    # The answer comes in 20 parts. In 3 s it pauses for 0.15 s at most, so only a limit on the whole
    # answer ends it.
    server.script = [lambda request: dataclasses.replace(good(request), takes_s=takes_s)]
    start = time.monotonic()
    ours = translator(server, tmp_path, timeout_s=0.3)
    assert texts_of(ours.translate(["one"], ["deu_Latn"])) == german(["one"])
    assert len(server.requests) == 2
    assert 0.3 < time.monotonic() - start < 0.75


def test_an_endpoint_that_always_stalls_is_given_up_in_time(
    server: BadEndpoint, tmp_path: Path
) -> None:
    server.always = lambda request: Reply(body=" " * 20, takes_s=5)
    with pytest.raises(InputError, match=r"no answer after \d attempts in [01] s: ReadTimeout"):
        translator(server, tmp_path, timeout_s=0.2, give_up_after_s=0.5).translate(
            NUMBERS, ["deu_Latn"] * 5
        )


def test_a_final_refusal_of_one_request_ends_the_waiting_of_the_others(
    server: BadEndpoint, tmp_path: Path
) -> None:
    waiting = threading.Event()

    def behave(request: Request) -> Reply:
        if "one" in request.sentences.values():
            waiting.wait(5)
            return refuses(401)(request)
        waiting.set()
        return refuses(429, Retry_After="60")(request)

    server.always = behave
    start = time.monotonic()
    ours = translator(server, tmp_path, sentences_per_request=1, concurrency=2, give_up_after_s=600)
    with pytest.raises(InputError, match="status 401"):
        ours.translate(NUMBERS, ["deu_Latn"] * 5)
    assert time.monotonic() - start < 5
    assert len(server.requests) == 2


def test_answers_under_way_when_another_request_fails_are_kept(
    server: BadEndpoint, tmp_path: Path
) -> None:
    arrived = threading.Event()

    def behave(request: Request) -> Reply:
        if "one" in request.sentences.values():
            arrived.wait(5)
            return refuses(401)(request)
        arrived.set()
        return dataclasses.replace(good(request), takes_s=0.3)

    server.always = behave
    with pytest.raises(InputError, match="1 of 5 answers of this part are safe"):
        translator(server, tmp_path, sentences_per_request=1, concurrency=2).translate(
            NUMBERS, ["deu_Latn"] * 5
        )
    assert len(server.requests) == 2


# The key


def test_the_key_is_sent_and_is_nowhere_else(
    server: BadEndpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    server.script = [
        refuses(500, f"crashed with {KEY}"),
        good,
        refuses(401, f"Incorrect API key: {KEY}"),
    ]
    ours = translator(server, tmp_path)
    ours.translate(["one"], ["deu_Latn"])
    with pytest.raises(InputError, match=r"Incorrect API key: \*\*\*") as caught:
        ours.translate(["two"], ["deu_Latn"])
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    error: BaseException | None = caught.value
    while error:
        assert KEY not in str(error)
        error = error.__cause__
    seen = [
        repr(ours),
        repr(vars(ours)),
        json.dumps(ours.facts()),
        caplog.text,
        pickle.dumps(ours).decode("latin-1"),
    ]
    seen += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in seen if KEY in text]
    assert "crashed with ***" in caplog.text


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-ключ", 'sk-"quoted"'])
def test_a_key_that_no_header_can_hold_is_refused_unquoted(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(
        InputError, match=r"^OPENAI_API_KEY has a character that no key has"
    ) as caught:
        translator(server, tmp_path).translate(["one"], ["deu_Latn"])
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{KEY}@localhost/v1",
        f"http://{KEY}@localhost:port/v1",
        f"http://localhost/v1?api-key={KEY}",
    ],
)
def test_a_key_in_the_address_is_refused_unquoted(url: str) -> None:
    with pytest.raises(InputError, match="put the key in OPENAI_API_KEY") as caught:
        OpenAITranslator(TranslatorConfig(translator="toy", base_url=url))
    assert KEY not in str(caught.value)


def test_without_an_address_openai_is_asked_only_if_there_is_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(
        InputError,
        match="no endpoint; give a base URL like http://localhost:8000/v1, or set OPENAI",
    ):
        OpenAITranslator(TranslatorConfig(translator="gpt"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert endpoint_module.completions_url(None) == "https://api.openai.com/v1/chat/completions"
    OpenAITranslator(TranslatorConfig(translator="gpt"))
