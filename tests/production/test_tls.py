"""The listener with TLS, in front of a real system."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.production.conftest import upstream_of
from tests.production.door import Door, open_door
from tests.support.images import jpeg
from tests.system.running import RunningSystem

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def secure_door(system: RunningSystem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """`port` speaks TLS with a certificate made on the spot, for localhost."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: there is nothing to make a certificate with")
    folder = tmp_path_factory.mktemp("tls") / "door"
    folder.mkdir()
    certificate = [f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", *certificate, *more], check=True, capture_output=True)
    opened = open_door(folder, upstream_of(system), tls=True)
    yield opened
    opened.stop()


def trusting(door: Door) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(door.folder / "fullchain.pem"))


def test_the_service_answers_over_tls_and_asks_browsers_to_stay_there(secure_door: Door) -> None:
    with httpx.Client(base_url=f"https://localhost:{secure_door.port}", verify=trusting(secure_door)) as client:
        for path in ("/", "/livez", "/nowhere", "/admin"):
            response = client.get(path)
            assert response.headers.get_list("strict-transport-security") == ["max-age=63072000"]
        made = client.post("/v1/predictions", content=b"")
    assert made.json()["code"] == "image_empty"


def test_a_cookie_made_over_tls_is_sent_over_tls_alone(secure_door: Door) -> None:
    with httpx.Client(base_url=f"https://localhost:{secure_door.port}", verify=trusting(secure_door)) as client:
        made = client.post("/v1/predictions", content=jpeg(), headers={"Content-Type": "image/jpeg"})
    assert made.status_code == 202
    assert "Secure" in made.headers["set-cookie"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_today_are_spoken(secure_door: Door, version: ssl.TLSVersion) -> None:
    context = trusting(secure_door)
    context.minimum_version = context.maximum_version = version
    line = socket.create_connection(("127.0.0.1", secure_door.port), timeout=10)
    with context.wrap_socket(line, server_hostname="localhost") as secured:
        assert secured.version() == version.name.replace("_", ".")
        cipher = secured.cipher()
    assert cipher is not None
    assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


def test_older_versions_and_weak_ciphers_are_not_spoken(secure_door: Door) -> None:
    for setting in ("-tls1_1", "-cipher AES128-SHA -tls1_2", "-cipher AES256-GCM-SHA384 -tls1_2"):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{secure_door.port}", *setting.split()]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=20)
        assert done.returncode != 0, setting


def test_plain_http_is_sent_on(secure_door: Door) -> None:
    assert secure_door.redirect_port
    response = httpx.get(f"http://127.0.0.1:{secure_door.redirect_port}/docs?x=1")
    assert response.status_code == 301
    assert response.headers["location"] == "https://127.0.0.1/docs?x=1"


def test_plain_http_at_the_tls_port_is_a_problem(secure_door: Door) -> None:
    response = httpx.get(f"http://127.0.0.1:{secure_door.port}/")
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
