"""A real HTTP server on loopback that speaks chat completions, and misbehaves as its script says, request by request.

When it behaves, it translates by a rule that a test can work out by hand: "one" into deu_Latn is "deu_Latn: ONE".
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hexapla.translate import endpoint
from hexapla.translate.openai import OpenAITranslator
from hexapla.translate.translator import Translation, TranslatorConfig

NUMBERS = ["one", "two", "three", "four", "five"]


@dataclass
class Request:
    """What came in."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def sentences(self) -> dict[str, str]:
        return json.loads(self.body["messages"][1]["content"])

    @property
    def target(self) -> str:
        return re.findall(r"\((\w{3}_\w{4})\)", self.body["messages"][0]["content"])[-1]

    def translations(self) -> dict[str, str]:
        return {key: translated(text, self.target) for key, text in self.sentences.items()}


@dataclass
class Reply:
    """What goes out: a status and a body, at once or dragged out over `takes_s` seconds."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    takes_s: float = 0.0


Behaviour = Callable[[Request], Reply]


def translated(text: str, target: str) -> str:
    return f"{target}: {text.upper()}"


def completion(content: object, finish_reason: str = "stop", **message: object) -> Reply:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish_reason,
    }
    return Reply(body=json.dumps({"choices": [choice], "usage": {"prompt_tokens": 50, "completion_tokens": 11}}))


def good(request: Request) -> Reply:
    return completion(json.dumps(request.translations()))


def says(change: Callable[[dict[str, Any]], object]) -> Behaviour:
    """Answer with the right translations after a change."""
    return lambda request: completion(json.dumps(change(request.translations())))


def prose(request: Request) -> Reply:
    return completion("Of course! Here are your translations, dear friend: eins, zwei, drei.")


def refuses(status: int, message: str = "no", code: str | None = None, **headers: str) -> Behaviour:
    body = json.dumps({"error": {"message": message, "code": code}})
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: Reply(status, body, shown)


def refuses_field(name: str) -> Behaviour:
    """Refuse a request that has a field, in the words of a hosted endpoint."""

    def behave(request: Request) -> Reply:
        return refuses(400, f"Unsupported parameter: '{name}'.")(request) if name in request.body else good(request)

    return behave


class BadEndpoint(ThreadingHTTPServer):
    """Behaves as `script` says for its first requests, then as `always` says; keeps every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Behaviour] = []
        self.always: Behaviour = good
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.n_open = 0
        self.most_open = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that hang up on a stalled answer."""


class _Handler(BaseHTTPRequestHandler):
    server: BadEndpoint
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the acknowledgement of its headers

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(self.path, dict(self.headers), body, time.monotonic())
        with self.server.lock:
            self.server.requests.append(request)
            behave = self.server.script.pop(0) if self.server.script else self.server.always
            self.server.n_open += 1
            self.server.most_open = max(self.server.most_open, self.server.n_open)
        try:
            self._send(behave(request))
        finally:
            with self.server.lock:
                self.server.n_open -= 1

    def _send(self, reply: Reply) -> None:
        content = reply.body.encode()
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(content)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        n_parts = 20 if reply.takes_s else 1
        size = -(-len(content) // n_parts) or 1
        for start in range(0, len(content), size):
            time.sleep(reply.takes_s / n_parts)
            self.wfile.write(content[start : start + size])
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@contextmanager
def bad_endpoint() -> Iterator[BadEndpoint]:
    with BadEndpoint() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def translator(server: BadEndpoint, folder: Path, **settings: Any) -> OpenAITranslator:
    config = TranslatorConfig(
        name="toy", backend="openai", base_url=server.url, cache=folder, concurrency=1, timeout_s=5, give_up_after_s=2
    )
    return OpenAITranslator(dataclasses.replace(config, **settings))


def german(texts: list[str]) -> list[str]:
    return [translated(text, "deu_Latn") for text in texts]


def texts_of(translations: list[Translation]) -> list[str | None]:
    return [translation.text for translation in translations]


def quick_and_keyless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin the waits between tries at 10 ms, and forget the key and the proxies of whoever runs the tests."""
    monkeypatch.setattr(endpoint, "_FIRST_WAIT_S", 0.01)
    for name in ("OPENAI_API_KEY", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
