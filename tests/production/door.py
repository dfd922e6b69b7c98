"""A real NGINX with the configuration of `deploy/nginx`, in front of a system that tests have started."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from tests.system.running import free_port

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy/nginx"


@dataclass
class Door:
    """`url` is the public listener, `inner_url` that of the operators."""

    port: int
    inner_port: int
    folder: Path
    process: subprocess.Popen[bytes]
    redirect_port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def inner_url(self) -> str:
        return f"http://127.0.0.1:{self.inner_port}"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def nginx_or_skip() -> str:
    """Return the program. In CI it must be there."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("nginx is not installed, and CI must not skip")
        pytest.skip("nginx is not installed (Debian: apt-get install nginx)")
    return found


def open_door(folder: Path, upstream: str, *, changes: dict[str, str] | None = None, tls: bool = False) -> Door:
    """Start NGINX. `upstream` takes the place of upstream.conf; `changes` are further texts to replace.

    With `tls`, the certificate and its key lie in the folder already.
    """
    prepare(folder, upstream, changes=changes)
    if tls:
        replace_text(folder / "tls.conf", {"/certs/": f"{folder}/"})
    for _ in range(5):
        if (door := _try_to_open(folder, CONFIGURATION / ("nginx-tls.conf" if tls else "nginx.conf"))) is not None:
            return door
    raise AssertionError((folder / "log").read_text())


def _try_to_open(folder: Path, source: Path) -> Door | None:
    """Start NGINX on free ports; None when somebody else took one of them meanwhile."""
    program, port, inner_port, redirect_port = nginx_or_skip(), free_port(), free_port(), free_port()
    main, tls = folder / source.name, source.name == "nginx-tls.conf"
    shutil.copyfile(source, main)
    listeners = {"listen 8081": f"listen 127.0.0.1:{inner_port}"}
    listeners["listen 8080"] = f"listen 127.0.0.1:{redirect_port if tls else port}"
    if tls:
        listeners["listen 8443"] = f"listen 127.0.0.1:{port}"
        if nginx_version() < (1, 25, 1):
            listeners["http2 on;"] = ""  # older ones do not know the word
    replace_text(main, listeners)
    # Started by root, the workers would be somebody who may not read the test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    with (folder / "log").open("ab") as log:
        command = [program, "-c", str(main), "-g", f"daemon off; {user}"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    door = Door(port, inner_port, folder, process, redirect_port)
    give_up_at = time.monotonic() + 20
    while True:
        try:
            httpx.get(f"{door.inner_url}/edge/livez", timeout=2).raise_for_status()
        except httpx.HTTPError as error:
            if process.poll() is not None and "Address already in use" in (folder / "log").read_text():
                return None
            if process.poll() is not None or time.monotonic() > give_up_at:
                process.kill()
                raise AssertionError((folder / "log").read_text()) from error
            time.sleep(0.02)
        else:
            return door


def prepare(folder: Path, upstream: str, *, changes: dict[str, str] | None = None) -> None:
    """Lay the configuration and the page out as the image does, with this folder in place of the image's places."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in CONFIGURATION.glob("*.conf"):
        shutil.copyfile(source, folder / source.name)
    layer_out = load("lay_out_page", CONFIGURATION / "lay_out_page.py")
    layer_out.lay_out(folder / "page")
    shutil.copyfile(folder / "page/headers.conf", folder / "headers.conf")
    (folder / "upstream.conf").write_text(upstream, encoding="utf-8")
    (folder / "tmp").mkdir()
    replace_text(folder / "public.conf", {"root /srv/page;": f"root {folder}/page/files;"})
    for name in ("process.conf", "http.conf"):
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(" /tmp/", f" {folder}/tmp/"), encoding="utf-8")
    for name in ("public.conf", "limits.conf"):
        replace_text(folder / name, {k: v for k, v in (changes or {}).items() if k in (folder / name).read_text()})


def replace_text(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, f"{path.name} has no {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def load(name: str, path: Path) -> ModuleType:
    """Import a script of `deploy/`, which is no package."""
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def nginx_version() -> tuple[int, ...]:
    text = subprocess.run([nginx_or_skip(), "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/([\d.]+)", text)
    assert found is not None
    return tuple(int(part) for part in found[1].split("."))
