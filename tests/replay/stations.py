"""A day of 5-minute files of 200 stations through `zonelake watch`, while the watch and the server are killed again and again: every row is stored once.
Then all files once more, under other names: nothing is added.

    python tests/replay/stations.py [STATIONS [FILES OF EACH [KILLS]]]

Standard library and pyarrow. A day is `200 288 20`, which is the default.
"""

import os
import random
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from server import Server, binary

MAPPING = """table = "environment"
by_name = true

[device]
file_part = 1
"""
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ROWS = 5


def reading(station: int, minute: int) -> float:
    return (station * 7 + minute * 13) % 400 / 10


def content(station: int, number: int) -> str:
    """A file of five minutes: a row a minute."""
    rows = ["time,temperature,wind_speed\n"]
    for minute in range(number * ROWS, (number + 1) * ROWS):
        at = (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows.append(f"{at},{reading(station, minute)},{minute % 9}.5\n")
    return "".join(rows)


def put(folder: Path, name: str, text: str):
    """As an FTP server does: under another name, and renamed when it is complete."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.rename(path)


def files_in(folder: Path) -> int:
    """Files that were put away, without their reports."""
    return sum(not name.endswith(".report.toml") for _, _, names in os.walk(folder) for name in names)


class Watch:
    """The command on one folder; started and killed as often as needed."""

    def __init__(self, server: Server, token: str, folder: Path, mapping: Path):
        self.server, self.token, self.folder, self.mapping = server, token, folder, mapping
        self.process = None

    def command(self, *more) -> list:
        own = ["watch", self.folder, "--server", f"127.0.0.1:{self.server.quic}", "--mapping", self.mapping, "--settle", "0"]
        return [str(word) for word in (binary(), *own, *more)]

    def environment(self) -> dict:
        return self.server.environment() | {"ZONELAKE_TOKEN": self.token}

    def start(self):
        self.process = subprocess.Popen(
            self.command(), env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def once(self):
        done = subprocess.run(self.command("--once"), env=self.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]


def check(server: Server, stations: int, numbers: int):
    """Each row once, with its values, station by station."""
    stored = server.sql("select device, count(*) n, count(distinct time) d, sum(temperature) t from environment group by device")
    found = {device: (n, d, round(t, 1)) for device, n, d, t in zip(*(column.to_pylist() for column in stored.columns))}
    rows = numbers * ROWS
    wanted = {f"S{s}": (rows, rows, round(sum(reading(s, minute) for minute in range(rows)), 1)) for s in range(stations)}
    assert found == wanted, {device: (found.get(device), of) for device, of in wanted.items() if found.get(device) != of}
    rejected = server.value("select count(*) from rejected")
    assert rejected == 0, f"{rejected} rows are rejected"


def main() -> int:
    stations, numbers, kills = (*map(int, sys.argv[1:]), *(200, 288, 20)[len(sys.argv) - 1 :])
    due, chance = stations * numbers, random.Random("stations")
    with Server(flush_age_seconds=30) as server:
        server.start()
        folder = Path(server.folder.name) / "in"
        folder.mkdir()
        mapping = Path(server.folder.name) / "air.toml"
        mapping.write_text(MAPPING)
        watch = Watch(server, server.add_gateway("g"), folder, mapping)

        def send():
            for number in range(numbers):
                for station in range(stations):
                    put(folder, f"station{station}/S{station}_{number:03}.csv", content(station, number))

        sender = threading.Thread(target=send)
        began = time.monotonic()
        sender.start()
        watch.start()
        done, moved, killed = 0, began, 0
        while done < due:
            time.sleep(chance.uniform(0.2, 1.0))
            before, done = done, files_in(folder / "done")
            moved = time.monotonic() if done > before else moved
            assert time.monotonic() - moved < 300, f"{done} of {due} files are done; {server.log.read_text()[-2000:]}"
            if killed < kills and done >= (killed + 1) * due // (kills + 1):
                killed += 1
                if killed % 2:
                    watch.kill()
                    watch.start()
                else:
                    server.kill()
                    server.start()
        took = time.monotonic() - began
        sender.join()
        watch.kill()
        failed = files_in(folder / "failed")
        assert failed == 0, f"{failed} files failed"
        check(server, stations, numbers)
        registry = sum(file.stat().st_size for file in server.data.glob("registry.sqlite*"))
        print(f"{due} files of {stations} stations in {took:.0f} s, {due / took:.0f} a second, {killed} kills; every row once", flush=True)
        print(f"the registry has {registry / 1e6:.1f} MB", flush=True)

        again = list(range(0, due, max(1, due // 2000)))
        for at in again:
            put(folder, f"again/S{at % stations}_{at // stations:03}_again.csv", content(at % stations, at // stations))
        began = time.monotonic()
        watch.once()
        took = time.monotonic() - began
        assert files_in(folder / "failed") == 0
        check(server, stations, numbers)
        server.kill()
        began = time.monotonic()
        server.start()
        print(f"{len(again)} of them once more in {took:.0f} s add nothing; a start behind it takes {time.monotonic() - began:.1f} s", flush=True)
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
