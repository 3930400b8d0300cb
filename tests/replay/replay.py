"""All recordings through `zonelake push`, and every sum compared with what pandas computes from the CSV files: with the
rows in memory, after their flush, after a restart, and after a kill in the middle followed by the same push again; and a
push of the same files adds nothing.

    python tests/replay/replay.py [FOLDER OF THE RECORDINGS]

The folder is the argument, or ZONELAKE_RECORDINGS, or ../shared/data beside the repository.
"""

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import deltalake
import pandas

from recordings import all_recordings, summary
from server import REPOSITORY, Server, binary

compared = 0
stages = 0


def push_arguments(server: Server, token: str, recording, *more) -> list:
    """The command that pushes a recording."""
    mapping = REPOSITORY / "gateway" / "mappings" / f"{recording.mapping}.toml"
    return ["push", "--server", f"127.0.0.1:{server.quic}", "--token", token, "--mapping", mapping, *more, *recording.files]


def push_all(server: Server, token: str, recordings: list, *more):
    for recording in recordings:
        server.run(*push_arguments(server, token, recording, *more))


def query(table: str, fields: dict, period: str) -> str:
    """The question whose answer is a summary."""
    texts = [name for name, is_text in fields.items() if is_text]
    columns = [f"count({name}), {'null' if name in texts else f'sum({name})'}, min({name}), max({name})" for name in fields]
    since = "date" if period == "day" else "cast(date_trunc('month', time) as date)"
    numbered = ", ".join(f"{part} as c{place}" for place, part in enumerate(", ".join(columns).split(", ")))
    return f"select device, {since} as since, count(*) as n, {numbered} from {table} group by device, {since}"


def compare(server: Server, stage: str, expected: dict):
    """Compares every number of every station, day and month."""
    global compared, stages
    for (table, period), (fields, wanted) in expected.items():
        answer = server.sql(query(table, fields, period))
        found = {}
        for values in zip(*(column.to_pylist() for column in answer.columns)):
            device, since, rows, *numbers = values
            row = {"rows": rows}
            for place, name in enumerate(fields):
                row[name] = tuple(numbers[4 * place : 4 * place + 4])
            found[device, str(since)] = row
        assert found.keys() == wanted.keys(), f"{stage}, {table}: {sorted(found.keys() ^ wanted.keys())[:10]}"
        for key, row in wanted.items():
            for name, value in row.items():
                same = value == found[key][name] if name == "rows" else same_numbers(value, found[key][name])
                assert same, f"{stage}, {table}, {key}, {name}: the files say {value}, SQL says {found[key][name]}"
                compared += 1 if name == "rows" else 4
    stages += 1
    print(f"  {stage}: the same ({compared} numbers compared so far)", flush=True)


def same_numbers(ours: tuple, theirs: tuple) -> bool:
    """Counts and bounds exactly; sums within the rounding of doubles added up in another order."""
    sums_agree = ours[1] == theirs[1] or (
        ours[1] is not None and theirs[1] is not None and math.isclose(ours[1], theirs[1], rel_tol=1e-10, abs_tol=1e-6)
    )
    return ours[0] == theirs[0] and sums_agree and ours[2:] == theirs[2:]


def expectations(recordings: list) -> tuple[dict, dict]:
    """By table and period the fields and summary; and by table the number of rows."""
    expected, totals = {}, {}
    for recording in recordings:
        rows = pandas.concat([recording.rows(file) for file in recording.files], ignore_index=True)
        names = rows.columns.drop(["time", "device"])
        is_text = lambda name: any(isinstance(value, str) for value in rows[name])
        fields = {name: is_text(name) for name in names}
        for period in ("day", "month"):
            expected[recording.table, period] = (fields, summary(rows, period))
        totals[recording.table] = len(rows)
    return expected, totals


def rows_in_files(server: Server, table: str) -> int:
    """Rows that the Delta log of a table lists."""
    table = deltalake.DeltaTable(server.data / "tables" / table)
    return sum(table.get_add_actions(flatten=True).column("num_records").to_pylist())


def total(server: Server, totals: dict) -> int:
    return sum(server.value(f"select count(*) from {table}") for table in totals)


def await_flush(server: Server, totals: dict):
    for _ in range(600):
        if all(rows_in_files(server, table) == rows for table, rows in totals.items()):
            return
        time.sleep(0.1)
    raise AssertionError("the rows do not get into files: " + str({table: rows_in_files(server, table) for table in totals}))


def memory_files_restart(recordings: list, expected: dict, totals: dict):
    """One folder through its life: rows in memory, in files, after a restart; then the same push again."""
    with Server(flush_age_seconds=3600, flush_bytes_max=1 << 30, flush_live_bytes_max=2 << 30) as server:
        server.start()
        token = server.add_gateway("replay")
        started = time.monotonic()
        push_all(server, token, recordings)
        seconds = time.monotonic() - started
        print(f"  pushed {sum(totals.values())} rows in {seconds:.1f} s", flush=True)
        assert all(rows_in_files(server, table) == 0 for table in totals), "nothing is flushed before its age"
        compare(server, "in memory", expected)
        outside = sum(recording.outside for recording in recordings)
        rejected = server.value("select count(*) from rejected")
        assert rejected == outside, f"{outside} values are out of their range, {rejected} are rejected"
        push_all(server, token, recordings)
        compare(server, "pushed again, in memory", expected)

        server.kill()
        server.settings["FLUSH_AGE_SECONDS"] = "1"
        server.start()
        await_flush(server, totals)
        compare(server, "killed, replayed and flushed", expected)
        server.end()
        server.start()
        compare(server, "after a restart", expected)
        push_all(server, token, recordings)
        compare(server, "pushed again, in files", expected)
        assert server.value("select count(*) from rejected") == rejected, "a push again rejects nothing again"
        server.end()
        print("  " + server.run("check").stdout.strip().replace("\n", "\n  "), flush=True)


def killed_in_the_middle(recordings: list, expected: dict, totals: dict):
    """A kill while batches are under way, then the same push again."""
    batch = ("--batch-rows", "500")
    with Server(flush_age_seconds=1) as server:
        server.start()
        token = server.add_gateway("replay")
        commands = [push_arguments(server, token, recording, *batch) for recording in recordings]
        pushing = [
            subprocess.Popen(
                [str(part) for part in (binary(), *arguments)],
                env=server.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for arguments in commands
        ]
        try:
            while (arrived := total(server, totals)) < sum(totals.values()) // 10:
                time.sleep(0.005)
        finally:
            server.kill()
            for process in pushing:
                process.kill()
                process.wait()
        assert arrived < sum(totals.values()), "the kill came too late to be one in the middle"
        server.start()
        found = total(server, totals)
        assert arrived <= found, f"{arrived} rows were visible before the kill, {found} are after it"
        print(f"  killed with {found} of {sum(totals.values())} rows", flush=True)
        push_all(server, token, recordings, *batch)
        compare(server, "killed in the middle and pushed again", expected)
        push_all(server, token, recordings, *batch)
        compare(server, "and once more", expected)


def main() -> int:
    default = os.environ.get("ZONELAKE_RECORDINGS", REPOSITORY.parent / "shared" / "data")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else default).resolve()
    recordings = all_recordings(folder)
    expected, totals = expectations(recordings)
    print(f"  {sum(totals.values())} rows in {sum(len(r.files) for r in recordings)} files: {totals}", flush=True)
    memory_files_restart(recordings, expected, totals)
    killed_in_the_middle(recordings, expected, totals)
    print(f"{stages} comparisons passed, of {compared} numbers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
