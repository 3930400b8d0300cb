"""pandas by way of SQLAlchemy, polars by way of ADBC."""

import pandas
import polars
import sqlalchemy

from adbc_client import uri
from rows import COLUMNS, EDGE_QUERY, EDGES, MILLION, QUERY, ROWS, same, same_edges, whole_million


def check(server):
    engine = sqlalchemy.create_engine(uri(server).replace("postgresql:", "postgresql+psycopg:", 1))
    frame = pandas.read_sql(sqlalchemy.text(QUERY), engine)
    assert list(frame.columns) == list(COLUMNS)
    assert str(frame["level"].dtype) == "float64" and "UTC" in str(frame["time"].dtype), frame.dtypes
    assert frame["level"].dropna().tolist() == [row[2] for row in ROWS if row[2] is not None]
    assert [time.to_pydatetime() for time in frame["time"]] == [row[1] for row in ROWS]
    assert pandas.read_sql_table("provinces", engine)["code"].notna().all()
    row = pandas.read_sql(sqlalchemy.text(EDGE_QUERY), engine).iloc[0]
    for name, (_, wanted) in EDGES.items():
        got = row[name]
        is_same = pandas.isna(got) if wanted is None or wanted != wanted else got == wanted
        assert is_same, f"{name}: read {got!r}, not {wanted!r}"
    assert pandas.read_sql(sqlalchemy.text("SELECT time, level FROM probe WHERE false"), engine).shape == (0, 2)
    frame = pandas.read_sql(sqlalchemy.text(MILLION), engine)
    whole_million(len(frame), frame.iloc[0], frame.iloc[-1])
    engine.dispose()
    frame = polars.read_database_uri(QUERY, uri(server), engine="adbc")
    same(frame.rows())
    same_edges(polars.read_database_uri(EDGE_QUERY, uri(server), engine="adbc").row(0))
    empty = polars.read_database_uri("SELECT time, level FROM probe WHERE false", uri(server), engine="adbc")
    assert empty.shape == (0, 2) and empty.schema["level"] == polars.Float64, empty
    frame = polars.read_database_uri(MILLION, uri(server), engine="adbc")
    whole_million(frame.height, frame.row(0), frame.row(-1))
