"""ONNX networks on onnxruntime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Since 1.32 the runtime sends telemetry to its vendor from the moment it is imported, and writes an id into the home
# folder. `disable_telemetry_events()` would be too late for both.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime as ort

from splitleaf.core.errors import EngineFailed, InvalidArtifact
from splitleaf.engine.runtime import FloatBatch

# Severity 3: errors only. Warnings about graph optimisation do not help operators.
ort.set_default_logger_severity(3)


class OnnxRuntime:
    """One session, shared by all threads of a worker.

    Each call computes on the calling thread only (`intra_op_num_threads = 1`). One thread per core, each with its own
    image, gives more throughput than one image on all cores, and on a CPU batch 1 is as fast as batch 32.
    """

    def __init__(self, model: bytes | Path, *, providers: tuple[str, ...] = ("CPUExecutionProvider",)) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        try:
            source = model if isinstance(model, bytes) else str(model)
            self._session = ort.InferenceSession(source, sess_options=options, providers=list(providers))
        except Exception as error:  # the runtime's exceptions share no base class
            raise InvalidArtifact(f"the network cannot be loaded: {_first_line(error)}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or not outputs:
            raise InvalidArtifact(
                f"a network needs one input and at least one output; this one has {len(inputs)} and {len(outputs)}"
            )
        self._input: str = inputs[0].name
        # The first output holds the scores. Others are fetched by name and cost nothing unless fetched.
        self._outputs: list[str] = [outputs[0].name]

    def run(self, batch: FloatBatch) -> FloatBatch:
        return self.run_with(batch, ())[0]

    def run_with(self, batch: FloatBatch, outputs: Sequence[str]) -> tuple[FloatBatch, ...]:
        try:
            arrays = self._session.run([*self._outputs, *outputs], {self._input: batch})
        except Exception as error:  # the runtime's exceptions share no base class
            raise EngineFailed(f"inference failed: {_first_line(error)}") from error
        return tuple(np.asarray(array, dtype=np.float32) for array in arrays)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
