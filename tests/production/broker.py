"""A real Valkey with the configuration and the users of `deploy/`."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.production.door import ROOT, load, replace_text
from tests.support.server_programs import find_server
from tests.system.running import free_port


@dataclass
class Broker:
    """`url` is that of the services; `folder` holds the secrets as the services get them."""

    url: str
    health_url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def start_broker(folder: Path, program: str | None = None) -> Broker:
    """Make the secrets, as the first service of compose.yaml does, and start the server on a free port."""
    make = load("make_secrets", ROOT / "deploy/secrets/make_secrets.py")
    make.make_secrets(folder)
    port = free_port()
    configuration = folder / "valkey.conf"
    configuration.write_text((ROOT / "deploy/valkey/valkey.conf").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "data").mkdir(exist_ok=True)
    places = {"/run/secrets/splitleaf/users.acl": f"{folder}/redis/users.acl", "dir /data": f"dir {folder}/data"}
    replace_text(configuration, {**places, "port 6379": f"port {port}", "bind * -::*": "bind 127.0.0.1"})
    command = [program or str(find_server()), str(configuration)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
    given = (folder / "api/splitleaf_redis_url").read_text(encoding="ascii").strip()
    health = (folder / "redis/health-password").read_text(encoding="ascii").strip()
    broker = Broker(
        given.replace("@redis:6379", f"@127.0.0.1:{port}"), f"redis://health:{health}@127.0.0.1:{port}", folder, process
    )
    give_up_at = time.monotonic() + 15
    while True:
        try:
            redis.Redis.from_url(broker.url).ping()
        except redis.RedisError as error:
            if process.poll() is not None or time.monotonic() > give_up_at:
                process.kill()
                raise AssertionError((folder / "log").read_text(errors="replace")) from error
            time.sleep(0.02)
        else:
            return broker
