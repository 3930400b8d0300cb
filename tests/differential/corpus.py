"""Statement files: those of the query crate, with the answers that PostgreSQL 15 gave, and those of statements/, which are asked of it.

Their form is told in query/timeseries/tests/timeseries/corpus.rs: `-- differs:` and `-- ours:` in front of a statement tell why it
is answered otherwise, and how. A statement that no longer differs is told too.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDED = REPOSITORY / "query/tests/postgres_corpus"
ASKED = Path(__file__).with_name("statements")

# A function from a statement and the zone of its session to rows.
Ask = Callable[[str, str], list[list[str]]]


class Refused(Exception):
    """The statement was answered by an error."""


@dataclass
class Statement:
    """A statement, its session's zone, and the rows that answer it; None where that is an error."""

    sql: str
    zone: str
    wanted: list[str] | None

    def difference(self, ask: Callable[[str, str], list[list[str]]]) -> str | None:
        """What an interface answers otherwise."""
        try:
            found = ["|".join(row) for row in ask(self.sql, self.zone)]
        except Refused as error:
            return (
                None if self.wanted is None else f"[{self.zone}] {self.sql}\n  wanted {self.wanted}\n  found  {error}"
            )
        if self.wanted is None:
            return f"[{self.zone}] {self.sql}\n  wanted an error\n  found  {found}"
        ordered = found, self.wanted
        pairs = ordered if is_ordered(self.sql) else map(sorted, ordered)
        same = len(found) == len(self.wanted) and all(map(same_row, *pairs))
        return None if same else f"[{self.zone}] {self.sql}\n  wanted {self.wanted}\n  found  {found}"


def statements(postgres: Ask) -> Iterator[Statement]:
    """All statements of all files."""
    for path in sorted(RECORDED.glob("*.sql")):
        answers = recorded(path.with_suffix(".answers"))

        def next_answer(sql, _, answers=answers, path=path):
            known, rows = next(answers)
            assert sql == known, f"{path}: record the answers again"
            return rows

        yield from read(path, next_answer)
    for path in sorted(ASKED.glob("*.sql")):

        def asked(sql, zone):
            try:
                return ["|".join(row) for row in postgres(sql, zone)]
            except Refused:
                return [ERROR]

        yield from read(path, asked)


ERROR = "error"
NO_ROWS = "no rows"


def read(path: Path, answer: Callable[[str, str], list[str]]) -> Iterator[Statement]:
    """The statements of a file, each with its answer."""
    zone, ours = "UTC", None
    for line in path.read_text().splitlines():
        if line.startswith("SET TIME ZONE '"):
            zone = line.removeprefix("SET TIME ZONE '").removesuffix("';")
        elif line.startswith("-- ours: "):
            row = line.removeprefix("-- ours: ")
            ours = [*(ours or []), *([] if row == NO_ROWS else [row])]
        elif line.endswith(";") and not line.startswith("--"):
            sql = line.removesuffix(";")
            rows = answer(sql, zone)
            is_same = ours is not None and len(ours) == len(rows) and all(map(same_row, ours, rows))
            assert not is_same, f"{path}: {sql}: no longer differs"
            rows, ours = rows if ours is None else ours, None
            failed = rows[:1] and (rows[0].startswith("! error") or rows[0] == ERROR)
            yield Statement(sql, zone, None if failed else rows)


def recorded(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Statements with their rows."""
    sql, rows = None, []
    for line in path.read_text().splitlines():
        if line.startswith("> "):
            if sql is not None:
                yield sql, rows
            sql, rows = line.removeprefix("> "), []
        else:
            rows.append(line)
    if sql is not None:
        yield sql, rows


def is_ordered(sql: str) -> bool:
    """True where ORDER BY stands outside all brackets: without it rows come in any order."""
    depth, outside = 0, []
    for letter in sql:
        depth += (letter == "(") - (letter == ")")
        outside.append(letter if depth == 0 else " ")
    return "order by" in " ".join("".join(outside).lower().split())


def same_row(found: str, wanted: str) -> bool:
    """Cells are the same text, or the same number."""
    cells = list(zip(found.split("|"), wanted.split("|"), strict=False))
    return found.count("|") == wanted.count("|") and all(same_cell(*pair) for pair in cells)


def same_cell(found: str, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        a, b = float(found), float(wanted)
    except ValueError:
        return False
    return a == b or (math.isnan(a) and math.isnan(b))
