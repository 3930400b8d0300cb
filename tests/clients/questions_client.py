"""What dashboards and tools ask: each question of questions.sql has the shape that stands behind it."""

from pathlib import Path

from psycopg_client import connect

QUESTIONS = Path(__file__).with_name("questions.sql")


def read():
    """Names, statements, columns and bounds of rows, in their order."""
    name, statement, expected = None, [], {}
    for line in QUESTIONS.read_text().splitlines() + ["-- question: end"]:
        kind, _, rest = line.removeprefix("-- ").partition(": ")
        if line.startswith("-- ") and kind in ("question", "columns", "rows"):
            if kind == "question":
                if statement:
                    yield name, "\n".join(statement), expected
                name, statement, expected = rest, [], {}
            else:
                expected[kind] = rest
        elif line.strip() and not line.startswith("--"):
            if expected:
                yield name, "\n".join(statement), expected
                statement, expected = [], {}
            statement.append(line)


def check(server):
    asked = 0
    with connect(server, autocommit=True) as connection:
        for name, statement, expected in read():
            try:
                # Without parameters and without a fixed form the text goes as it is, several statements at once.
                cursor = connection.execute(statement)
                while cursor.nextset():
                    pass
            except Exception as error:
                raise AssertionError(f"{name}: {error}\n{statement}") from error
            rows = cursor.fetchall()
            least, most = map(int, expected["rows"].split())
            assert least <= len(rows) <= most, f"{name}: {len(rows)} rows\n{statement}"
            columns = [column.name for column in cursor.description]
            if "columns" in expected:
                assert columns == expected["columns"].split(), f"{name}: {columns}\n{statement}"
            asked += 1
    assert asked > 20, asked
