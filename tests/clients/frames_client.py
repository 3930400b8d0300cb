"""pandas by way of SQLAlchemy, polars by way of ADBC."""

import pandas
import polars
import sqlalchemy

from adbc_client import uri
from rows import COLUMNS, QUERY, ROWS, same


def check(server):
    engine = sqlalchemy.create_engine(uri(server).replace("postgresql:", "postgresql+psycopg:", 1))
    frame = pandas.read_sql(sqlalchemy.text(QUERY), engine)
    assert list(frame.columns) == list(COLUMNS)
    assert str(frame["level"].dtype) == "float64" and "UTC" in str(frame["time"].dtype), frame.dtypes
    assert frame["level"].dropna().tolist() == [row[2] for row in ROWS if row[2] is not None]
    assert [time.to_pydatetime() for time in frame["time"]] == [row[1] for row in ROWS]
    assert pandas.read_sql_table("provinces", engine)["code"].notna().all()
    engine.dispose()
    frame = polars.read_database_uri(QUERY, uri(server), engine="adbc")
    same(frame.rows())
