"""Rows as programs have them, into record batches: of Arrow, pandas, polars, or dictionaries.

Times must say which instant they mean. A time without a zone is read in the zone that the caller names, and refused
where none is named: a guess would move every reading by hours, silently."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Union

from .batches import EncodedBatch, from_arrow, from_lines
from .errors import RowsError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

    Rows = Union[pa.RecordBatch, pa.Table, pandas.DataFrame, polars.DataFrame, "Reading", Sequence["Reading"]]
    """Rows with the columns `time`, `device` and those of the table's fields."""

Reading = Mapping[str, Any]
"""One row: `{"time": …, "device": …, "pressure": 4.1}`."""
Lines = Union[str, bytes]
"""A block of line protocol."""

ROWS = 5_000
"""Rows of a batch where the caller names no other number."""
BYTES = 1 << 20
"""Bytes of a batch that is cut from a frame, about, before compression: what a weak link takes in a minute."""


def record_batches(
    rows: Rows, *, device: str | None = None, time_zone: str | None = None, rows_max: int = ROWS
) -> Iterator[pa.RecordBatch]:
    """The rows as record batches of at most `rows_max` rows. The same rows give the same batches.

    `device` is the device of all rows, where they have no such column. `time_zone` is the zone of times without one, as
    `"Asia/Ho_Chi_Minh"` or `"UTC"`; a local time that exists twice or never is refused. Nulls of pandas are no readings.

    Raises `RowsError`, which names the column."""
    if rows_max < 1:
        raise ValueError(f"rows_max is {rows_max}; 1 is the least")
    table = _with_times(_with_device(_table(rows), device), time_zone)
    for field in table.schema:
        _check_type(field)
    width = max(1, table.nbytes // max(1, table.num_rows))
    step = max(1, min(rows_max, BYTES // width))
    whole = table.combine_chunks()
    for first in range(0, whole.num_rows, step):
        piece = whole.slice(first, step).combine_chunks()
        yield from piece.to_batches()


def encoded(
    rows: Rows | Lines,
    *,
    device: str | None = None,
    time_zone: str | None = None,
    rows_max: int = ROWS,
    compression: str | None = None,
) -> Iterator[EncodedBatch]:
    """Rows or lines as they are sent."""
    if isinstance(rows, (str, bytes)):
        if device is not None or time_zone is not None:
            raise RowsError("lines name their devices and instants themselves: leave device and time_zone out")
        yield from map(from_lines, blocks(rows, rows_max))
        return
    for batch in record_batches(rows, device=device, time_zone=time_zone, rows_max=rows_max):
        yield from_arrow(batch, compression)


def blocks(lines: Lines, rows_max: int = ROWS) -> Iterator[bytes]:
    """Line protocol, cut behind the ends of lines into blocks of at most `rows_max` lines and about a megabyte. An end of a
    line within a quoted text is none."""
    content = lines.encode() if isinstance(lines, str) else lines
    first = at = count = 0
    is_quoted = False
    while at < len(content):
        end = content.find(b"\n", at)
        end = len(content) if end < 0 else end + 1
        is_quoted ^= _turns_quotes(content[at:end], is_quoted)
        at, count = end, count + 1
        if not is_quoted and (count >= rows_max or at - first >= BYTES):
            yield content[first:at]
            first, count = at, 0
    if first < len(content):
        yield content[first:]


def _turns_quotes(line: bytes, is_quoted: bool) -> bool:
    """True where a quoted text begins in a line and does not end there, or the other way round. A comment has none."""
    if not is_quoted and line.lstrip().startswith(b"#"):
        return False
    turns, at = False, 0
    while at < len(line):
        if line[at] == 0x5C:
            at += 1
        elif line[at] == 0x22:
            turns = not turns
        at += 1
    return turns


def _table(rows: Any) -> pa.Table:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError("rows need pyarrow: pip install 'zonelake[arrow]'; lines can be sent without it") from error
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(rows, pandas.DataFrame):
        return _from_pandas(pa, pandas, rows)
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(rows, polars.DataFrame):
        return rows.to_arrow()
    if isinstance(rows, Mapping):
        return _from_readings(pa, [rows])
    if isinstance(rows, Sequence) and all(isinstance(row, Mapping) for row in rows):
        return _from_readings(pa, rows)
    raise RowsError(
        f"rows of type {type(rows).__name__}; possible are record batches and tables of Arrow, frames of pandas and polars, "
        "dictionaries, and lists of them"
    )


def _from_pandas(pa: Any, pandas: Any, frame: pandas.DataFrame) -> pa.Table:
    if "time" not in frame.columns and isinstance(frame.index, pandas.DatetimeIndex):
        frame = frame.rename_axis(index="time").reset_index()
    unnamed = [name for name in frame.columns if not isinstance(name, str)]
    if unnamed:
        raise RowsError(f"the column {unnamed[0]!r} has no text as its name")
    columns = {}
    for name in frame.columns:
        try:
            columns[name] = pa.Array.from_pandas(frame[name])
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise RowsError(f"the column {name!r} cannot be read: {error}") from error
    return pa.table(columns)


def _from_readings(pa: Any, rows: Sequence[Reading]) -> pa.Table:
    # A reading that is missing in the first row must not be missing in all of them.
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        plain = [value for value in values if isinstance(value, datetime) and value.tzinfo is None]
        if plain and len(plain) != sum(value is not None for value in values):
            raise RowsError(f"the column {name!r} has times with a zone and without one")
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise RowsError(f"the column {name!r} cannot be read: {error}") from error
    return pa.table(columns)


def _with_device(table: pa.Table, device: str | None) -> pa.Table:
    import pyarrow as pa

    table = table.replace_schema_metadata(None)
    if device is not None:
        if "device" in table.column_names:
            raise RowsError("the rows have a column device: leave the argument out")
        places = pa.repeat(pa.scalar(0, pa.int32()), table.num_rows)
        column = pa.DictionaryArray.from_arrays(places, pa.array([device]))
        table = table.append_column("device", column)
    missing = [name for name in ("time", "device") if name not in table.column_names]
    if missing:
        raise RowsError(f"the rows have no column {missing[0]!r}; there is {', '.join(table.column_names) or 'none'}")
    return table


def _with_times(table: pa.Table, time_zone: str | None) -> pa.Table:
    """Times as instants of UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for at, field in enumerate(table.schema):
        if not pa.types.is_timestamp(field.type):
            if field.name == "time":
                raise RowsError(f"the column 'time' is {field.type}; a timestamp is needed")
            continue
        column = table.column(at)
        if field.type.tz is None:
            if time_zone is None:
                raise RowsError(
                    f"the times in {field.name!r} have no zone; name it, as time_zone='Asia/Ho_Chi_Minh' or time_zone='UTC'"
                )
            try:
                column = pc.assume_timezone(column, time_zone, ambiguous="raise", nonexistent="raise")
            except (pa.ArrowException, ValueError) as error:
                raise RowsError(f"the times in {field.name!r} are not all times of {time_zone}: {error}") from error
        column = column.cast(pa.timestamp(field.type.unit, "UTC"))
        table = table.set_column(at, pa.field(field.name, column.type), column)
    return table


def _check_type(field: pa.Field) -> None:
    import pyarrow as pa

    value = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_null(value) or pa.types.is_nested(value) or pa.types.is_binary(value):
        hint = "it has no values: leave it out" if pa.types.is_null(value) else f"{value} cannot be stored"
        raise RowsError(f"the column {field.name!r}: {hint}")
