"""A real Prometheus on a system that tests have started."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.system.running import free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy/observability/prometheus"


def program_or_skip(name: str) -> str:
    """Return the program. In CI it must be there."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI must not skip")
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return found


@dataclass
class Prometheus:
    url: str
    process: subprocess.Popen[bytes]

    def ask(self, path: str, **parameters: str) -> Any:
        response = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it starts: in its own words, not in JSON
            response.raise_for_status()
        answer = response.json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def value(self, expression: str) -> list[Any]:
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def wait_for(self, is_there: Callable[[], bool], within_s: float = 60) -> None:
        give_up_at = time.monotonic() + within_s
        while True:
            try:
                if is_there():
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < give_up_at, "not in time"
            time.sleep(0.2)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def start_prometheus(folder: Path, ports: tuple[int, int, int]) -> Prometheus:
    """Start it with the deployment's configuration, at these addresses in place of the containers' names."""
    configuration = yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())
    configuration["rule_files"] = [str(CONFIGURATION / "alerts.yml")]
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    jobs = [job for job in configuration["scrape_configs"] if "dns_sd_configs" in job]
    assert [job["job_name"] for job in jobs] == ["api", "worker", "controller"]
    for job, port in zip(jobs, ports, strict=True):
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    configuration["scrape_configs"] = jobs
    file, port = folder / "prometheus.yml", free_port()
    file.write_text(yaml.safe_dump(configuration))
    command = [program_or_skip("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--web.external-url=/prometheus/", "--log.level=error"]
    return Prometheus(f"http://127.0.0.1:{port}/prometheus", subprocess.Popen(command, cwd=folder))
