"""Where the key goes: to the given address alone, encrypted unless it stays on this machine.

Certificates are made here, by an authority that `SSL_CERT_FILE` names.
"""

from __future__ import annotations

import datetime
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import trustme

from hexapla.errors import InputError
from hexapla.runs.loopback import is_loopback
from hexapla.translate.endpoint import Endpoint
from tests.fixtures.bad_endpoint import (
    NUMBERS,
    BadEndpoint,
    Reply,
    bad_endpoint,
    german,
    refuses,
    texts_of,
    translator,
)

KEY = "sk-secret-4711"

pytestmark = pytest.mark.usefixtures("quick_and_keyless")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def encrypt(server: BadEndpoint, certificate: trustme.LeafCert) -> str:
    """Serve with a certificate from now on, and return the new base URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    return server.url.replace("http://", "https://")


def expired(authority: trustme.CA) -> trustme.LeafCert:
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    return authority.issue_cert("127.0.0.1", not_before=now - 3 * day, not_after=now - day)


def test_an_encrypted_endpoint_is_asked_with_the_key(
    server: BadEndpoint,
    tmp_path: Path,
    authority: trustme.CA,
    trusted: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    url = encrypt(server, authority.issue_cert("127.0.0.1"))
    found = translator(server, tmp_path, base_url=url).translate(["one"], ["deu_Latn"])
    assert texts_of(found) == german(["one"])
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert "unencrypted" not in caplog.text


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("another name", "certificate is refused, IP address mismatch"),
        ("expired", "certificate is refused, certificate has expired"),
        ("another authority", "certificate is refused, unable to get local issuer certificate"),
        ("self-signed", "certificate is refused, self-signed certificate"),
        ("plain http", "no encrypted connection, wrong version number"),
    ],
)
def test_an_endpoint_that_is_not_who_it_says_is_refused_at_once(
    server: BadEndpoint,
    tmp_path: Path,
    authority: trustme.CA,
    trusted: None,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    said: str,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    other = trustme.CA()
    certificates = {
        "another name": lambda: authority.issue_cert("elsewhere.example"),
        "expired": lambda: expired(authority),
        "another authority": lambda: other.issue_cert("127.0.0.1"),
        "self-signed": lambda: _self_signed(other),
    }
    url = server.url.replace("http://", "https://")
    if kind in certificates:
        url = encrypt(server, certificates[kind]())
    start = time.monotonic()
    with pytest.raises(InputError, match=rf"{url}/chat/completions: .*{said}.*; check") as caught:
        translator(server, tmp_path, base_url=url, give_up_after_s=60).translate(
            NUMBERS, ["deu_Latn"] * 5
        )
    assert time.monotonic() - start < 2
    assert "\n" not in str(caught.value)
    assert server.requests == []


def _self_signed(other: trustme.CA) -> Any:
    class SelfSigned:
        def configure_cert(self, context: ssl.SSLContext) -> None:
            blob = trustme.Blob(other.private_key_pem.bytes() + other.cert_pem.bytes())
            with blob.tempfile() as path:
                context.load_cert_chain(path)

    return SelfSigned()


@pytest.mark.parametrize(
    "content",
    [None, "no certificate", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"],
)
def test_certificates_that_cannot_be_read_are_named(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(InputError, match="the certificates of SSL_CERT_FILE cannot be read"):
        translator(server, tmp_path).translate(["one"], ["deu_Latn"])


# Plain http


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("[::ffff:7f00:1]", True),
        ("0.0.0.0", False),
        ("128.0.0.1", False),
        ("::ffff:128.0.0.1", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        ("mylocalhost", False),
        ("gpu-7", False),
        ("", False),
    ],
)
def test_a_host_is_this_machine_by_its_name_or_address(host: str, ours: bool) -> None:
    assert is_loopback(host) == ours


@pytest.mark.parametrize(
    ("url", "key", "insecure", "warned"),
    [
        ("http://gpu-7:8000/v1", KEY, False, True),
        ("http://10.0.0.7/v1", KEY, False, True),
        ("http://gpu-7:8000/v1", KEY, True, False),
        ("http://gpu-7:8000/v1", "", False, False),
        ("https://gpu-7:8000/v1", KEY, False, False),
        ("http://localhost:8000/v1", KEY, False, False),
        ("http://127.0.0.2:8000/v1", KEY, False, False),
        ("http://[::1]:8000/v1", KEY, False, False),
        ("http://[::ffff:127.0.0.1]:8000/v1", KEY, False, False),
    ],
)
def test_a_key_in_plain_http_to_another_machine_is_warned_of(
    url: str,
    key: str,
    insecure: bool,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    Endpoint(url, timeout_s=1, give_up_after_s=1, connections=1, insecure=insecure).close()
    assert ("OPENAI_API_KEY is sent unencrypted to" in caplog.text) == warned
    assert KEY not in caplog.text


# Elsewhere


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with bad_endpoint() as other:
        server.always = refuses(status, Location=f"{other.url}/chat/completions")
        with pytest.raises(InputError, match=f"status {status}, .*; check the base URL"):
            translator(server, tmp_path).translate(["one"], ["deu_Latn"])
        assert other.requests == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_an_endpoint_on_this_machine_is_asked_without_a_proxy(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with bad_endpoint() as proxy:
        monkeypatch.setenv(name, proxy.url)
        found = translator(server, tmp_path).translate(["one"], ["deu_Latn"])
        assert texts_of(found) == german(["one"])
        assert proxy.requests == []


def test_another_machine_is_asked_through_the_proxy_of_the_environment(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    found = translator(server, tmp_path, base_url="http://gpu-7.invalid/v1").translate(
        ["one"], ["deu_Latn"]
    )
    assert texts_of(found) == german(["one"])
    assert server.requests[0].path == "http://gpu-7.invalid/v1/chat/completions"


def test_a_slow_proxy_has_the_same_deadline(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.always = lambda request: Reply(body=" " * 20, takes_s=4)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"no answer after 1 attempts in \d s: ReadTimeout"):
        translator(
            server, tmp_path, base_url="http://gpu-7.invalid/v1", timeout_s=0.3, give_up_after_s=0.2
        ).translate(["one"], ["deu_Latn"])
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "proxy", ["ftp://user:hunter2@proxy:1", "http://user:hunter2@[::1:2", "socks5://u:hunter2@a:1"]
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    server: BadEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(InputError, match="the proxy of HTTPS_PROXY cannot be used") as caught:
        translator(server, tmp_path, base_url="https://gpu-7.invalid/v1").translate(
            ["one"], ["deu_Latn"]
        )
    assert "hunter2" not in str(caught.value)
