"""The served page answers its own requests, and nobody else's: other sites, names, routes, sizes."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from hexapla.errors import InputError
from hexapla.explore.config import ExploreConfig
from hexapla.explore.explore_page import build_page
from hexapla.explore.explorer import MAX_QUERY, Explorer, Neighbour
from hexapla.explore.page_server import PageServer, open_socket
from hexapla.explore.request_guard import MAX_BODY_KIB
from tests.fixtures.extras import needs

pytestmark = [pytest.mark.slow, needs("gradio", "explore")]


class OneSentence(Explorer):
    """An explorer whose every answer is one sentence; the rest is the true one's."""

    encoders = ("after",)  # type: ignore[assignment]

    def __init__(self) -> None:
        self.languages, self.n_rows, self.is_cut = ("eng_Latn", "deu_Latn"), 1, False

    def examples(self, n: int = 6) -> list[str]:
        return ["a secret sentence"]

    def nearest(self, encoder: str, query: str, **_: Any) -> list[Neighbour]:
        one = Neighbour(text="ein Satz", language="deu_Latn", row=0, cosine=1.0, translation=True)
        return [one]

    def is_ready(self, query: str) -> bool:
        return True

    def points(self, encoder: str, query: str, n_rows: int = 60) -> Any:
        import numpy as np

        return np.zeros((2, 2), dtype=np.float32), np.array(["deu_Latn"])


def settings(**changes: Any) -> ExploreConfig:
    return ExploreConfig(**({"encoder": "tiny", "corpus": "sample", "port": 0} | changes))


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    running = PageServer(build_page(OneSentence()), settings(allow_host=("gpu-7",)))
    yield running
    running.close()


@pytest.fixture
def port(server: PageServer) -> int:
    return int(server.url.rsplit(":", 1)[1].strip("/"))


def ask(
    port: int, method: str = "GET", path: str = "/", body: bytes | None = None, **headers: str
) -> tuple[int, str]:
    """Send one request with exactly these headers, and return status and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    given = {"Host": f"127.0.0.1:{port}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def own(port: int) -> dict[str, str]:
    return {
        "Origin": f"http://127.0.0.1:{port}",
        "Sec_Fetch_Site": "same-origin",
        "Content_Type": "application/json",
    }


def query(page_config: dict[str, Any], text: object, **changes: Any) -> bytes:
    """Return the body of the request that the button sends."""
    search = next(one for one in page_config["dependencies"] if len(one["inputs"]) == 4)
    data = {"data": [text, 10, [], True], "fn_index": search["id"], "session_hash": "abc123"}
    return json.dumps(data | changes).encode()


@pytest.fixture
def page_config(port: int) -> dict[str, Any]:
    status, text = ask(port, path="/config")
    assert status == 200
    return json.loads(text)


def listen(port: int) -> list[dict[str, Any]]:
    status, text = ask(port, path="/gradio_api/queue/data?session_hash=abc123", **own(port))
    assert status == 200
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_a_query_of_the_page_is_answered(
    server: PageServer, port: int, page_config: dict[str, Any]
) -> None:
    assert "a secret sentence" in ask(port)[1]
    status, _ = ask(
        port, "POST", "/gradio_api/queue/join", query(page_config, "a sentence"), **own(port)
    )
    assert status == 200
    done = [one for one in listen(port) if one["msg"] == "process_completed"]
    assert "ein Satz" in str(done[0]["output"])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}", "localhost",
        "localhost:9000", "gpu-7:{port}",
    ],
)  # fmt: skip
def test_the_page_answers_to_its_own_names(port: int, host: str) -> None:
    assert ask(port, Host=host.format(port=port))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:{port}", "localhost.evil.example:{port}", "", ":{port}",
        "localhost@evil.example", "evil.example#localhost", "127.0.0.1.evil.example", "gpu-7.evil",
        "10.0.0.7:{port}", "[::2]:{port}", "::1", "0.0.0.0:{port}", "localhost, evil.example",
        "localhost:{port}:80", "localhost:", "loc\u0430lhost", "2130706433:{port}", "localhost/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/queue/data?session_hash=abc123"])
def test_another_name_gets_no_answer(port: int, host: str, path: str) -> None:
    given = host.format(port=port).encode().decode("latin-1")
    status, text = ask(port, path=path, Host=given)
    assert status == 421
    assert "--allow-host" in text and "secret" not in text


FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost:{port}"},
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Origin": "http://127.0.0.1:{port}@evil.example"},
    {"Origin": "file://127.0.0.1:{port}"},
    {"Origin": "http://127.0.0.1:{port}, http://evil.example"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "same-origin, cross-site"},
)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_another_site_gets_no_answer(
    port: int, page_config: dict[str, Any], foreign: dict[str, str]
) -> None:
    headers = {name: value.format(port=port) for name, value in foreign.items()}
    body = query(page_config, "a sentence")
    assert ask(port, "POST", "/gradio_api/queue/join", body, **(own(port) | headers))[0] == 403
    for path in ("/config", "/", "/gradio_api/queue/data?session_hash=abc123"):
        assert ask(port, path=path, **headers)[0] == 403


def test_a_post_that_does_not_say_whose_it_is_gets_no_answer(
    port: int, page_config: dict[str, Any]
) -> None:
    body = query(page_config, "a sentence")
    assert ask(port, "POST", "/gradio_api/queue/join", body, Content_Type="text/plain")[0] == 403


def test_a_link_on_another_site_opens_the_page_and_nothing_else(port: int) -> None:
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert ask(port, **link)[0] == 200
    assert ask(port, path="/config", **link)[0] == 403


CLOSED = [
    ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/redoc"), ("GET", "/?view=api"),
    ("GET", "/?deep_link=a"), ("GET", "/gradio_api/openapi.json"), ("GET", "/gradio_api/user"),
    ("GET", "/gradio_api/token"), ("GET", "/gradio_api/login_check"), ("GET", "/logout"),
    ("GET", "/gradio_api/dev/reload"), ("GET", "/gradio_api/runs"),
    ("GET", "/gradio_api/deep_link"), ("GET", "/monitoring"), ("GET", "/monitoring/summary"),
    ("GET", "/gradio_api/run-history/buckets"), ("GET", "/gradio_api/file=/etc/passwd"),
    ("HEAD", "/gradio_api/file=/etc/passwd"), ("GET", "/file=/etc/passwd"),
    ("GET", "/gradio_api/file/etc/passwd"), ("GET", "/gradio_api/proxy=http://a.example/"),
    ("GET", "/gradio_api/custom_component/1/client/component/a.js"),
    ("GET", "/gradio_api/stream/a/b/c/playlist.m3u8"), ("GET", "/gradio_api/upload_progress"),
    ("GET", "/gradio_api/queue/status"), ("GET", "/gradio_api/call/a/b"),
    ("GET", "/gradio_api/vibe-code"), ("GET", "/assets/../../../../etc/passwd"),
    ("GET", "/assets/%2e%2e/%2e%2e/etc/passwd"), ("GET", "/static/..%2f..%2f..%2fetc/passwd"),
    ("GET", "//etc/passwd"), ("GET", "/gradio_api/queue/data?session_hash=a/b"),
    ("POST", "/gradio_api/upload"), ("POST", "/upload"), ("POST", "/login"),
    ("POST", "/gradio_api/component_server"), ("POST", "/gradio_api/process_recording"),
    ("POST", "/gradio_api/vibe-edit"), ("POST", "/gradio_api/run/answer"),
    ("POST", "/gradio_api/api/answer"), ("POST", "/gradio_api/call/answer"),
    ("POST", "/gradio_api/stream/a"), ("POST", "/gradio_api/run-history/connect"), ("POST", "/"),
    ("OPTIONS", "/gradio_api/queue/join"), ("PUT", "/"), ("DELETE", "/"), ("TRACE", "/"),
    ("CONNECT", "/"), ("GET", "/gradio_api/queue/join"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_what_the_page_does_not_use_is_closed(port: int, method: str, path: str) -> None:
    body = b"{}" if method == "POST" else None
    status, text = ask(port, method, path, body, **own(port))
    assert status == 404
    assert "root:" not in text


def test_no_other_site_may_read_or_frame_an_answer(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/", headers={"Origin": f"http://127.0.0.1:{port}"})
    headers = {name.lower(): value for name, value in connection.getresponse().getheaders()}
    connection.close()
    assert not [name for name in headers if name.startswith("access-control-")]
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "body", [b" " * (MAX_BODY_KIB * 1024 + 1), b"x" * 2**22], ids=["one byte more", "4 MiB"]
)
def test_a_long_request_is_refused(port: int, body: bytes) -> None:
    try:
        status, _ = ask(port, "POST", "/gradio_api/queue/join", body, **own(port))
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # refused before all of it was sent
    assert status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 60_000, b'{"a":' * 10_000,
        b'{"fn_index": ' + b"9" * 5000 + b"}", b'{"data": 5}', b'{"session_hash": ["a"]}',
    ],
)  # fmt: skip
def test_a_malformed_request_is_refused_and_the_page_goes_on(port: int, body: bytes) -> None:
    assert 400 <= ask(port, "POST", "/gradio_api/queue/join", body, **own(port))[0] < 600
    assert ask(port)[0] == 200


@pytest.mark.parametrize(
    "data",
    [
        ["a", 1e308, [], True], ["a", -5, [], True], ["a", None, [], True], ["a", "x", [], True],
        ["a", 10, ["xxx_Xxxx"], True], ["a", 10, 5, True], ["a", 10, [], "yes"], [5], [],
        [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, 10, [], True],
    ],
)  # fmt: skip
def test_values_that_the_page_does_not_send_do_no_harm(
    port: int, page_config: dict[str, Any], data: list[Any]
) -> None:
    body = query(page_config, "", data=data)
    if ask(port, "POST", "/gradio_api/queue/join", body, **own(port))[0] == 200:
        assert "root:" not in str(listen(port))
    assert ask(port)[0] == 200


def test_a_query_beyond_the_limit_is_refused() -> None:
    with pytest.raises(InputError, match=r"the query has 5,001 characters; .* at most 5,000"):
        Explorer.nearest(OneSentence(), "after", "a" * (MAX_QUERY + 1))


# The address


@pytest.mark.parametrize(
    "host",
    ["", " ", "127.0.0.1:7860", "[::1]:7860", "http://localhost", "a b", "user@localhost", "a/b",
     "\x1b[2J", "a" * 254, "fe80::1%eth0/x", "ü"],
)  # fmt: skip
@pytest.mark.parametrize("field", ["host", "allow_host"])
def test_a_host_that_is_no_name_is_refused(field: str, host: str) -> None:
    with pytest.raises(InputError, match=f"{field} is '.*'; it must be a name or an address"):
        settings(**{field: host if field == "host" else (host,)})


@pytest.mark.parametrize("host", ["nowhere.invalid", "256.1.1.1", "a..b", "-", "1.2.3.4", "::2"])
def test_a_host_that_is_not_here_is_refused(host: str) -> None:
    with pytest.raises(InputError, match=r"host .* is not known here|port 0 of .* cannot be used"):
        open_socket(settings(host=host))


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", r"http://localhost:\d+/"),
        ("127.0.0.2", r"http://127\.0\.0\.2:\d+/"),
        ("::1", r"http://\[::1\]:\d+/"),
        ("[::1]", r"http://\[::1\]:\d+/"),
        ("0.0.0.0", r"http://localhost:\d+/"),
        ("::", r"http://localhost:\d+/"),
    ],
)
def test_the_page_listens_where_it_is_told(host: str, url: str) -> None:
    if ":" in host and not _has_ipv6():
        pytest.skip("no IPv6 here")
    running = PageServer(build_page(OneSentence()), settings(host=host))
    try:
        assert re.fullmatch(url, running.url)
        connection = http.client.HTTPConnection(
            host.strip("[]") if host not in ("0.0.0.0", "::") else "127.0.0.1",
            int(running.url.rsplit(":", 1)[1].strip("/")),
            timeout=10,
        )
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, b"a secret sentence" in answer.read()) == (200, True)
        connection.request("GET", "/config", headers={"Host": "evil.example"})
        assert connection.getresponse().status == 421
        connection.close()
    finally:
        running.close()


def test_a_page_that_listens_everywhere_answers_to_every_address_and_no_other_name() -> None:
    running = PageServer(build_page(OneSentence()), settings(host="0.0.0.0"))
    try:
        port = int(running.url.rsplit(":", 1)[1].strip("/"))
        assert ask(port, Host=f"192.168.1.5:{port}")[0] == 200
        assert ask(port, Host=f"evil.example:{port}")[0] == 421
    finally:
        running.close()


def test_a_page_that_is_closed_frees_its_port_at_once() -> None:
    running = PageServer(build_page(OneSentence()), settings())
    port = int(running.url.rsplit(":", 1)[1].strip("/"))
    with socket.create_connection(("127.0.0.1", port)) as held:
        held.sendall(
            f"GET /gradio_api/heartbeat/abc HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        )
        assert held.recv(12) == b"HTTP/1.1 200"
        running.close()
        assert not running._thread.is_alive()
    open_socket(settings(port=port)).close()


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
