"""A RabbitMQ of the tests' own, on free ports of this machine: Debian's package without its service."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

_PATIENCE: Final = 60.0
_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The program itself: that in the PATH becomes another user."""


def rabbitmq_server() -> Path | None:
    """The program, None if it is not installed."""
    return _SERVER if _SERVER.exists() and shutil.which("epmd") else None


class RabbitMQ:
    """A broker with the user ``guest``; its data survive a restart, and all ports stay the same."""

    def __init__(self, folder: Path) -> None:
        with ExitStack() as taken:
            sockets = [taken.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            self.port, distribution, mapper = (each.getsockname()[1] for each in sockets)
        (folder / "plugins").write_text("[].\n")
        # Nothing but what a broker needs: its scripts read many variables.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        self._env = kept | {
            # Where Erlang keeps its cookie.
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            # One core is enough, and it waits for work without using it.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        self._output = folder / "output"
        self._mapper = self._start("epmd", "-address", "127.0.0.1", "-port", str(mapper))
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """With the user and password that it has."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not killed."""
        return self._server is not None

    def start(self) -> None:
        """Start it; returns once it answers."""
        self._server = self._start(str(_SERVER))
        give_up = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(self._output.read_text())
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, as a power failure does."""
        self._signal(signal.SIGKILL)
        if self._server is not None:
            self._server.wait()
        self._server = None

    def pause(self) -> None:
        """Let it accept connections and answer nothing, until ``go_on``."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End ``pause``."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._mapper.kill()
        self._mapper.wait()

    def control(self, *words: str) -> str:
        """Run ``rabbitmqctl``, and return what it writes."""
        command = [str(_SERVER.with_name("rabbitmqctl")), *words]
        ran = subprocess.run(command, env=self._env, check=True, capture_output=True, text=True, timeout=_PATIENCE)
        return ran.stdout

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        # A group of its own: the server is a child of a shell.
        with self._output.open("ab") as output:
            return subprocess.Popen(
                command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _signal(self, number: int) -> None:
        if self._server is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, number)

    def _answers(self) -> bool:
        """Whether it greets as an AMQP server."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return bool(connection.recv(8))
        except OSError:
            return False
