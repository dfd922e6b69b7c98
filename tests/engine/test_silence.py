"""The runtime of networks says nothing to its maker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.networks import mean_colour_network
from tests.support.repositories import TELLS_COLOUR


def test_loading_a_network_leaves_no_id_in_the_home_folder(tmp_path: Path) -> None:
    network, home = tmp_path / "network.onnx", tmp_path / "home"
    network.write_bytes(mean_colour_network(16, 16, 3, TELLS_COLOUR, softmax=True))
    home.mkdir()
    program = (
        f"from pathlib import Path; from splitleaf.engine.onnx import OnnxRuntime; OnnxRuntime(Path({str(network)!r}))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", program], env={**environment, "HOME": str(home)}, check=False)
    assert done.returncode == 0
    assert list(home.rglob("*")) == []
