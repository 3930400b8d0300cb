"""What dashboards and tools ask: each question below questions/ has the shape that stands behind it, in both protocols."""

from pathlib import Path

from psycopg_client import connect

QUESTIONS = Path(__file__).with_name("questions")
EXPECTATIONS = ("columns", "rows", "has")


def read(path):
    """Names, statements and what is expected of them, in their order."""
    name, statement, expected = None, [], {}
    for line in path.read_text().splitlines() + ["-- question: end"]:
        kind, _, rest = line.removeprefix("-- ").partition(": ")
        if line.startswith("-- ") and kind == "question":
            if statement:
                yield name, "\n".join(statement), expected
            name, statement, expected = rest, [], {}
        elif line.startswith("-- ") and kind in EXPECTATIONS:
            expected[kind] = rest
        elif line.strip() and not line.startswith("--"):
            if expected:
                yield name, "\n".join(statement), expected
                statement, expected = [], {}
            statement.append(line)


def ask(connection, name, statement, prepare):
    """The rows and columns of a statement, or of the last of several."""
    try:
        cursor = connection.execute(statement, prepare=prepare)
        while cursor.nextset():
            pass
    except Exception as error:
        raise AssertionError(f"{name}: {error}\n{statement}") from error
    return cursor.fetchall(), [column.name for column in cursor.description]


def meets(name, statement, expected, rows, columns):
    least, most = map(int, expected["rows"].split())
    assert least <= len(rows) <= most, f"{name}: {len(rows)} rows\n{statement}"
    if "columns" in expected:
        assert columns == expected["columns"].split(), f"{name}: {columns}\n{statement}"
    if "has" in expected:
        assert any(expected["has"] in map(str, row) for row in rows), f"{name}: {rows}\n{statement}"


def check(server):
    asked = 0
    with connect(server, autocommit=True) as connection:
        for path in sorted(QUESTIONS.glob("*.sql")):
            for name, statement, expected in read(path):
                # Without parameters a text goes as it is, several statements at once.
                simple = ask(connection, name, statement, None)
                meets(name, statement, expected, *simple)
                if statement.count(";") == 1:
                    extended = ask(connection, name, statement, True)
                    meets(f"{name}, prepared", statement, expected, *extended)
                asked += 1
    assert asked >= 100, asked
