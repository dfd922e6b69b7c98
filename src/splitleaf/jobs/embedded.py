"""An embedded Valkey or Redis server for the one-command start: found, started, kept alive, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import structlog

from splitleaf.core.errors import ConfigurationError, DependencyDown
from splitleaf.jobs.server_programs import ServerProgram, choose_server, note_writer

log = structlog.get_logger(__name__)

_READY_WITHIN_S = 30.0
_LOCK_WITHIN_S = 10.0
_STOP_WITHIN_S = 10.0
_LONGEST_SOCKET_PATH = 90

# The server's process waits for its standard input to close, in a shadow of its own, and ends then: so it
# dies with its parent, however that ended. `$$` is the shell that becomes the server.
_TIED_TO_PARENT = 'exec 3<&0 </dev/null; (read -r _ <&3; kill -TERM $$) & exec "$@" 3<&-'


class EmbeddedBroker:
    """The server as a child process, which is started again when it dies and ends with its parent.

    Reached through a unix socket that only this user may open. Writes its log of changes once a second
    (`appendfsync everysec`): a power failure loses up to about a second, a crash of the server nothing unless
    the disk was too slow at that moment (docs/explanation/queue.md).
    """

    def __init__(self, folder: Path, *, max_memory_bytes: int) -> None:
        self._folder = folder
        self._max_memory_bytes = max_memory_bytes
        self._program: ServerProgram | None = None
        self._socket_folder: Path | None = None
        self._socket = folder / "broker.sock"
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._lock: int | None = None
        self.restarts = 0

    @classmethod
    async def start(cls, folder: Path, *, max_memory_bytes: int = 1 << 30) -> EmbeddedBroker:
        """Start a server that keeps its files in `folder`, and return when it answers.

        Raises `ConfigurationError` when another instance uses the folder or no server program is found that reads it,
        and `DependencyDown` when the server does not come up.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240 - at start, nothing waits
        broker = cls(folder.resolve(), max_memory_bytes=max_memory_bytes)  # noqa: ASYNC240
        try:
            await broker._take_lock()
            broker._program = choose_server(broker._folder)
            broker._choose_socket()
            await broker._spawn()
        except BaseException:
            await broker.stop()
            raise
        broker._watcher = asyncio.create_task(broker._watch())
        return broker

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """The server's process id currently."""
        if self._process is None:
            raise DependencyDown("The embedded broker is not running.")
        return self._process.pid

    async def stop(self) -> None:
        """Stop the server in order; everything accepted is on disk then."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_WITHIN_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._let_go()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)

    async def _take_lock(self) -> None:
        """Two servers on the same files would ruin them. The server inherits the lock, and so outlives no one."""
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _LOCK_WITHIN_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if loop.time() > give_up_at:
                    raise ConfigurationError(
                        f"{self._folder} is in use by another instance", code="data_in_use"
                    ) from None
                await asyncio.sleep(0.05)
            else:
                return

    def _choose_socket(self) -> None:
        """A unix socket's path may have about 100 characters; a deep data folder is longer."""
        if len(str(self._socket)) > _LONGEST_SOCKET_PATH:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="splitleaf-", dir="/tmp"))
            self._socket = self._socket_folder / "broker.sock"

    async def _spawn(self) -> None:
        assert self._lock is not None
        assert self._program is not None
        self._socket.unlink(missing_ok=True)
        with (self._folder / "broker.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _TIED_TO_PARENT,
                "broker",
                *self._command(self._program),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(self._lock,),
                # Ctrl-C goes to the terminal's whole group; the order of stopping is our business.
                start_new_session=True,
            )
        await self._until_ready(self._process)
        note_writer(self._folder, self._program.release)

    def _command(self, program: ServerProgram) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            # Most of the log is pixels of finished tasks; rewriting it sooner would keep the disk busy.
            "auto-aof-rewrite-min-size": "512mb",
            "save": "",
            "maxmemory": str(self._max_memory_bytes),
            "maxmemory-policy": "noeviction",
            "loglevel": "warning",
            "daemonize": "no",
        }
        return [str(program.path), *(part for name, value in options.items() for part in (f"--{name}", value))]

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _READY_WITHIN_S
        while not await _answers(self._socket):
            if process.returncode is not None or loop.time() > give_up_at:
                log_file = self._folder / "broker.log"
                raise DependencyDown(f"The embedded broker does not start: {_last_line(log_file)} (see {log_file})")
            await asyncio.sleep(0.005)

    async def _watch(self) -> None:
        pause_s = 0.05
        while self._process is not None:
            code = await self._process.wait()
            self._let_go()
            log.error("broker_ended", code=code, log=str(self._folder / "broker.log"))
            self.restarts += 1
            await asyncio.sleep(pause_s)
            try:
                await self._spawn()
                pause_s = 0.05
            except (DependencyDown, OSError) as error:
                log.warning("broker_not_started", reason=str(error))
                pause_s = min(2 * pause_s, 2.0)

    def _let_go(self) -> None:
        """Let the dead server's shadow end."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()


def _last_line(log_file: Path) -> str:
    lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "it says nothing"


async def _answers(path: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        return (await reader.readline()).startswith(b"+PONG")
    except OSError:
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
