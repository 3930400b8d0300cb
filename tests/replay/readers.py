"""Independent readers see the rows that SQL shows: Python deltalake, polars, and DuckDB and the oldest pyarrow that is
supported over the files that the Delta log lists. Writes rows of every type, flushes them, and compares every column of
every row.

    ZONELAKE_OLDEST_PYTHON=…/bin/python python tests/replay/readers.py

That Python has the packages of tests/python/requirements-oldest.txt; without one, the oldest reader is left out, and the
last line says so.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.feather

from server import Server

START_US = 1_767_222_000_000_000  # 2025-12-31 23:00 UTC: an hour before the next date, month and year
IDENTITY = ["_shard", "_lsn", "_row", "_sequence"]
TABLE = """
name = "everything"
description = "A field of every way in which values are kept."
[[field]]
name = "plain"
type = "double"
[[field]]
name = "cents"
type = "double"
decimals = 2
[[field]]
name = "fine"
type = "double"
decimals = 6
digits = 15
[[field]]
name = "counted"
type = "bigint"
[[field]]
name = "flag"
type = "boolean"
[[field]]
name = "words"
type = "text"
[[field]]
name = "never"
type = "double"
decimals = 1
"""


def rows(count: int, offset: int) -> str:
    """Line protocol: 20 devices, every field null at times, negative values, words beyond ASCII."""
    lines = []
    for row in range(offset, offset + count):
        fields = {
            "plain": f"{(row * 7919 % 10007 - 5000) / 3!r}",
            "cents": f"{row * 31 % 99991 - 50000}e-2",
            "fine": f"{row * 1_000_003 % 987_654_321 - 400_000_000}e-6",
            "counted": f"{row * 2_147_483_659}i",
            "flag": "true" if row % 3 else "false",
            "words": '"Khu kinh tế Vũng Áng %d"' % (row % 11),
        }
        kept = [f"{name}={value}" for place, (name, value) in enumerate(fields.items()) if (row + place) % 5]
        lines.append(f"everything,device=trạm-{row % 20} {','.join(kept)} {START_US + row * 1_000_003}")
    return "\n".join(lines) + "\n"


def same_terms(table: pyarrow.Table, names: list[str]) -> list[dict]:
    """Rows as plain values in one order: decimals as the nearest double, texts as text, instants as integers."""
    columns = {}
    for name in names:
        column = table.column(name)
        kind = column.type
        if pyarrow.types.is_decimal(kind):
            columns[name] = [None if value is None else float(value) for value in column.to_pylist()]
        elif pyarrow.types.is_timestamp(kind):
            columns[name] = column.cast(pyarrow.timestamp("us", "UTC")).cast(pyarrow.int64()).to_pylist()
        elif pyarrow.types.is_date(kind):
            columns[name] = [str(value) for value in column.to_pylist()]
        else:
            columns[name] = column.to_pylist()
    columns = {name: [str(v) for v in values] if name == "date" else values for name, values in columns.items()}
    found = [dict(zip(columns, values)) for values in zip(*columns.values())]
    return sorted(found, key=lambda row: (row["time"], str(row["device"]), str(row)))


def read_by_deltalake(path: Path) -> pyarrow.Table:
    return deltalake.DeltaTable(path).to_pyarrow_table()


def read_by_polars(path: Path) -> pyarrow.Table:
    return polars.read_delta(str(path)).to_arrow()


def files_of(path: Path) -> list[str]:
    files = [str(path / file.removeprefix(f"file://{path}/")) for file in deltalake.DeltaTable(path).file_uris()]
    assert files, "the Delta log lists files"
    return files


def read_by_duckdb(path: Path) -> pyarrow.Table:
    files = files_of(path)
    return duckdb.sql(f"select * from read_parquet({files!r}, hive_partitioning = true)").to_arrow_table()


def read_by_oldest_pyarrow(path: Path) -> pyarrow.Table:
    """Older releases stop at types that they do not know, such as decimals of 32 bits in the metadata of Arrow."""
    script = Path(__file__).with_name("oldest_reader.py")
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "rows.arrow")
        subprocess.run([OLDEST, str(script), str(path), target, *files_of(path)], check=True)
        return pyarrow.feather.read_table(target, memory_map=False)


OLDEST = os.environ.get("ZONELAKE_OLDEST_PYTHON")
READERS = [read_by_deltalake, read_by_polars, read_by_duckdb] + ([read_by_oldest_pyarrow] if OLDEST else [])


def compare(server: Server, table: str, expected_rows: int) -> int:
    """Compares one table; returns the number of values that were compared."""
    by_sql = server.sql(f"select * from {table}")
    names = by_sql.column_names
    wanted = same_terms(by_sql, names)
    assert len(wanted) == expected_rows, f"{table}: SQL has {len(wanted)} rows, {expected_rows} were written"
    path = server.data / "tables" / table
    for reader in READERS:
        found = same_terms(reader(path), names)
        assert len(found) == len(wanted), f"{table}, {reader.__name__}: {len(found)} rows, SQL has {len(wanted)}"
        for ours, theirs in zip(wanted, found):
            assert ours == theirs, f"{table}, {reader.__name__}:\n  SQL: {ours}\n  it:  {theirs}"
        print(f"  {table}: {reader.__name__}: {len(found)} rows of {len(names)} columns are the same")
    return len(wanted) * len(names) * len(READERS)


def compare_identities(server: Server, table: str) -> None:
    """Every reader shows which row of which record each row is, each once; SQL does not show it."""
    assert not set(IDENTITY) & set(server.sql(f"select * from {table} limit 1").column_names)
    path = server.data / "tables" / table
    tables = [reader(path) for reader in READERS]
    found = [sorted(zip(*(read.column(name).to_pylist() for name in IDENTITY))) for read in tables]
    assert all(other == found[0] for other in found), table
    assert len({place[:3] for place in found[0]}) == len(found[0]), f"{table}: two rows have one identity"


def main() -> int:
    passed = 0
    with Server(ingest_shards=2, flush_age_seconds=3600) as server:
        tables = Path(server.folder.name) / "declared"
        tables.mkdir()
        (tables / "everything.toml").write_text(TABLE)
        server.settings["TABLES"] = str(tables)
        server.start()
        token = server.add_gateway("readers")
        for part in range(4):
            server.write(token, rows(2_500, part * 2_500))
        future = 4_000_000_000_000_000
        server.write(token, f"everything,device=late counted=1i {future}\n" * 3)
        server.end()
        server.start()
        server.write(token, rows(1_000, 10_000))
        server.end()
        server.start()
        live_rows = server.value("select count(*) from everything")
        assert live_rows == 11_000, live_rows
        for table, expected in (("everything", 11_000), ("rejected", 3)):
            compare(server, table, expected)
            compare_identities(server, table)
            passed += len(READERS) + 1
    left_out = "" if OLDEST else "; the oldest reader was left out"
    print(f"{passed} passed, 0 failed{left_out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
