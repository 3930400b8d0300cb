"""psqlODBC: rows, parameters, what it lists of tables and columns. The driver is Debian's odbc-postgresql."""

import glob

import pyodbc

from rows import at


def check(server):
    driver = glob.glob("/usr/lib/*/odbc/psqlodbcw.so")[0]
    text = f"Driver={driver};Server=127.0.0.1;Port={server.postgres};Database=zonelake;Uid=admin;Pwd={server.password}"
    with pyodbc.connect(text, autocommit=True) as connection:
        cursor = connection.cursor()
        rows = cursor.execute("SELECT device, level, pulses, is_open, note FROM probe ORDER BY time").fetchall()
        assert rows[0][0] == "d0" and rows[0][1] == 0.1 and rows[0][2] == 9_223_372_036_854_775_807, rows[0]
        assert rows[0][4] == "tiếng Việt" and rows[3][1] is None, rows
        wanted = at(2).replace(tzinfo=None)
        count = cursor.execute("SELECT count(*) FROM probe WHERE time >= ? AND device <> ?", wanted, "nothing").fetchval()
        assert count == 3, count
        tables = {row.table_name for row in cursor.tables(schema="public", tableType="TABLE")}
        assert {"probe", "environment"} <= tables, tables
        columns = {row.column_name: row.type_name for row in cursor.columns(table="probe", schema="public")}
        assert columns["level"] == "float8" and columns["time"] == "timestamptz", columns
        assert list(cursor.primaryKeys(table="probe", schema="public")) == []
