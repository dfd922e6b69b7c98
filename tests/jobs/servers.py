"""A real broker for the tests, started by themselves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.server_programs import find_server


@dataclass
class BrokerServer:
    """A Valkey or Redis server in a folder, which can be killed, frozen and started again."""

    folder: Path
    durable: bool = False
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to that of the server's process."""
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def socket_path(self) -> Path:
        return self.folder / "s"

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    def start(self) -> None:
        self.socket_path.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", str(self.socket_path), "--dir", str(self.folder), "--save", ""]
        options += ["--appendonly", "yes" if self.durable else "no", "--loglevel", "warning", *self.options]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [str(find_server()), *options], stdout=log, stderr=log, env={**os.environ, **self.environment}
        )
        log.close()
        give_up_at = time.monotonic() + 60
        while not self._answers():
            if time.monotonic() > give_up_at or self.process.poll() is not None:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.01)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def command(self, *words: str) -> bytes:
        """Send one command by hand and return the raw answer."""
        packed = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(str(self.socket_path))
            line.sendall(packed.encode())
            return line.recv(65536)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False


@dataclass
class FaultProxy:
    """A network between the queue and its broker that can be made bad."""

    target: Path
    path: Path
    delay_s: float = 0.0
    is_black_hole: bool = False
    """Nothing passes, and nobody is told."""
    cut_after_send: int = 0
    """So many times: pass what the client says, then cut the line before the answer."""
    cut_in_answer: int = 0
    """So many times: pass half of an answer, then cut the line."""
    throttle_bytes_s: float = 0.0
    connections: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._accept, str(self.path))

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refuse(self) -> None:
        """Cut every line, and let nobody in until the next `start`."""
        assert self._server is not None
        self._server.close()
        self.reset()

    def reset(self) -> None:
        """Cut every line now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            writer.transport.abort()
            return
        both = (writer, upstream_writer)
        self._writers.update(both)
        for source, sink, is_answer in ((reader, upstream_writer, False), (upstream_reader, writer, True)):
            task = asyncio.create_task(self._pump(source, sink, both, is_answer=is_answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        both: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        *,
        is_answer: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await asyncio.sleep(self.delay_s + (len(data) / self.throttle_bytes_s if self.throttle_bytes_s else 0))
                while self.is_black_hole:
                    await asyncio.sleep(0.01)
                if is_answer and self.cut_after_send:
                    self.cut_after_send -= 1
                    break
                if is_answer and self.cut_in_answer:
                    self.cut_in_answer -= 1
                    sink.write(data[: len(data) // 2])
                    await sink.drain()
                    # Closed in order, so that the half arrives.
                    sink.close()
                    break
                sink.write(data)
                await sink.drain()
        for writer in both:
            writer.transport.abort()
            self._writers.discard(writer)
