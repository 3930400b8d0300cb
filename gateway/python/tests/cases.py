"""What the tests of the client share: a real server, and rows that add up exactly."""

import contextlib
import sys
import time
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "tests" / "replay"))

from server import Server  # noqa: E402

import zonelake  # noqa: E402

FIRST_US = 1_735_689_600_000_000  # 2025-01-01T00:00:00Z


class ServerCase(unittest.TestCase):
    """A server of its own for each test, with a gateway."""

    def setUp(self):
        self.server = self.enterContext(Server())
        self.server.start()
        self.token = self.server.add_gateway("python")

    @property
    def address(self) -> str:
        return f"localhost:{self.server.quic}"

    @property
    def certificate(self) -> Path:
        return self.server.data / "tls" / "cert.pem"

    def enterContext(self, context):
        """As Python 3.11 has it."""
        stack = contextlib.ExitStack()
        entered = stack.enter_context(context)
        self.addCleanup(stack.close)
        return entered


def production(batches: int, rows: int, first: int = 0):
    """Batches with a time of its own for each row, devices in a dictionary that changes, and values that add up exactly."""
    import pyarrow as pa

    for batch in range(first, first + batches):
        numbers = range(batch * rows, (batch + 1) * rows)
        yield pa.record_batch(
            {
                "time": pa.array([FIRST_US + row * 1_000_000 for row in numbers], pa.timestamp("us", "UTC")),
                "device": pa.array([f"press-{batch // 7}-{row % 3}" for row in numbers]).dictionary_encode(),
                "pressure": pa.array([row / 4 for row in numbers]),
                "count_total": pa.array(list(numbers), pa.int64()),
            }
        )


def check_production(server: Server, rows: int):
    """Fails unless the first so many rows are stored, each once."""
    found = server.sql(
        "select count(*) as n, count(distinct time) as times, sum(count_total) as total, sum(pressure) as pressure,"
        " min(zone) as zone from production"
    ).to_pylist()[0]
    total = rows * (rows - 1) // 2
    expected = {"n": rows, "times": rows, "total": total, "pressure": total / 4, "zone": "vung-ang"}
    assert found == expected, f"{found}, not {expected}"


def wait_until(holds, seconds: float = 30.0, what: str = "it"):
    """Fails unless something holds within some time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{what} does not come within {seconds} s")
        time.sleep(0.02)


__all__ = ["FIRST_US", "REPOSITORY", "Server", "ServerCase", "check_production", "production", "wait_until", "zonelake"]
