"""A zonelake server on a temporary data folder, for tests in Python. Standard library and pyarrow only."""

import base64
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pyarrow
import pyarrow.ipc

REPOSITORY = Path(__file__).resolve().parents[2]
ZONE = "vung-ang"


def binary() -> Path:
    """The program under test: ZONELAKE_BINARY, or the release build."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return Path(os.environ.get("ZONELAKE_BINARY", target / "release" / "zonelake"))


class Server:
    """One data folder with ports of its own; start, kill and end it as often as needed."""

    def __init__(self, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="zonelake-test-")
        self.data = Path(self.folder.name) / "data"
        self.log = Path(self.folder.name) / "server.log"
        self.printed = Path(self.folder.name) / "server.out"
        self.http, self.quic = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        self.postgres = free_port(socket.SOCK_STREAM)
        self.settings = {key.upper(): str(value) for key, value in settings.items()}
        self.password = None
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def environment(self) -> dict:
        """What the program sees: nothing of the surroundings but where programs and temporary files are."""
        own = {
            "ZONELAKE_DATA": str(self.data),
            "ZONELAKE_QUIC_LISTEN": f"127.0.0.1:{self.quic}",
            "ZONELAKE_HTTP_LISTEN": f"127.0.0.1:{self.http}",
            "ZONELAKE_POSTGRES_LISTEN": f"127.0.0.1:{self.postgres}",
        }
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        return kept | own | {f"ZONELAKE_{name}": value for name, value in self.settings.items()}

    def start(self):
        """Starts it and waits until it is healthy."""
        with open(self.printed, "ab") as printed, open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [binary(), "serve"], env=self.environment(), stdin=subprocess.DEVNULL, stdout=printed, stderr=log
            )
        for _ in range(3000):
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        else:
            raise AssertionError(f"the server does not get healthy:\n{self.log.read_text()}")
        # The password is printed when everything runs, so health may be there a moment earlier.
        while self.password is None:
            whole_lines = self.printed.read_text().split("\n")[:-1]
            self.password = next((line.split()[-1] for line in whole_lines if "password" in line), None)
            assert self.process.poll() is None, self.log.read_text()

    def kill(self):
        """As kill -9: nothing of it runs any further."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self):
        """As a service manager does: it flushes everything first."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=120)
        self.process = None
        assert status == 0, f"the server ended with {status}:\n{self.log.read_text()}"

    def run(self, *arguments, check=True) -> subprocess.CompletedProcess:
        """Runs a command of the program to its end."""
        done = subprocess.run(
            [binary(), *map(str, arguments)], env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: exit code {done.returncode}\n{done.stderr}\n{self.log.read_text()}")
        return done

    def add_gateway(self, name: str) -> str:
        """The token of a new gateway, once the server, if it runs, knows it."""
        token = self.run("gateway", "add", name, "--zone", ZONE).stdout.strip()
        request = urllib.request.Request(
            f"{self.url}/api/v2/write", data=b"", headers={"Authorization": f"Token {token}"}
        )
        for _ in range(200):
            try:
                urllib.request.urlopen(request, timeout=5).close()
                return token
            except urllib.error.HTTPError as error:
                if error.code != 401:
                    return token
                time.sleep(0.05)
            except OSError:
                return token
        raise AssertionError("the server does not learn of the gateway")

    def sql(self, query: str) -> pyarrow.Table:
        """The answer to a query."""
        credentials = base64.b64encode(f"admin:{self.password}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/api/v1/sql",
            data=query.encode(),
            headers={
                "Authorization": f"Basic {credentials}",
                "Content-Type": "application/sql",
                "Accept": "application/vnd.apache.arrow.stream",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return pyarrow.ipc.open_stream(answer.read()).read_all()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.code} {error.read().decode()}") from error

    def value(self, query: str):
        """The one value that answers a query."""
        return self.sql(query).column(0)[0].as_py()

    def write(self, token: str, lines: str):
        """Writes line protocol with times in microseconds."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/write?precision=us", data=lines.encode(), headers={"Authorization": f"Token {token}"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            assert answer.status == 204, answer.status


def free_port(kind) -> int:
    """A port of the loopback address that nothing uses at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
