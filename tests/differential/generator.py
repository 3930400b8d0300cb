"""Statements that a seed makes, answered by PostgreSQL and by servers whose rows are in different places.

Each kind of statement is a method of `Statements`. Expressions stay within what neither side refuses: divisors are not zero, and
operands of arithmetic are small. Rows are compared without their order, and doubles to nine digits, since sums may be added in
any order.
"""

import math
import random
import time
from collections import Counter

import psycopg
from expressions import Expressions, Scope
from psycopg.pq import ExecStatus

COMPARED_DIGITS = 1e-9
SHOWN_MAX = 15
# Of a hundred statements so many may be refused in words (0A000).
REFUSED_PERCENT_MAX = 2


class Statements(Expressions):
    """Whole statements."""

    def statement(self) -> str:
        kinds = (
            self.filtered,
            self.partitioned,
            self.joined,
            self.grouped,
            self.windowed,
            self.set_operation,
            self.with_subquery,
            self.limited,
            self.computed,
        )
        return self.random.choice(kinds)()

    def filtered(self) -> str:
        relation, scope = self.relation("a")
        return f"SELECT {self.items(scope)} FROM {relation} WHERE {self.boolean(scope, 3)}"

    def partitioned(self) -> str:
        """Each row is in one of three partitions: those for which a predicate is true, false and unknown."""
        relation, scope = self.relation("a")
        items, predicate = self.items(scope), self.boolean(scope, 3)
        parts = (f"({predicate})", f"NOT ({predicate})", f"({predicate}) IS NULL")
        together = " UNION ALL ".join(f"SELECT {items} FROM {relation} WHERE {part}" for part in parts)
        whole = f"SELECT {items} FROM {relation}"
        return f"SELECT count(*) FROM (({together}) EXCEPT ALL ({whole})) d" if self.chance(0.3) else together

    def joined(self) -> str:
        (left, a), (right, b) = self.relation("a"), self.relation("b")
        kind = self.random.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        key = self.random.choice([name for name in a.columns if a.columns[name] == "text"])
        other = self.random.choice([name for name in b.columns if b.columns[name] == "text"])
        both = Scope(a.names | b.names)
        condition = f"a.{key} = b.{other}"
        if kind != "FULL JOIN" and self.chance(0.5):
            condition += f" AND {self.boolean(both, 1)}"
        where = f" WHERE {self.boolean(both, 2)}" if self.chance(0.5) else ""
        return f"SELECT {self.items(both)} FROM {left} {kind} {right} ON {condition}{where}"

    def grouped(self) -> str:
        relation, scope = self.relation("a")
        keys = [self.any(scope, 1) for _ in range(self.random.randint(0, 2))]
        aggregates = [self.aggregate(scope) for _ in range(self.random.randint(1, 3))]
        named = [f"{sql} AS c{number}" for number, sql in enumerate(keys + aggregates)]
        sql = f"SELECT {', '.join(named)} FROM {relation}"
        if self.chance(0.5):
            sql += f" WHERE {self.boolean(scope, 2)}"
        if keys:
            sql += f" GROUP BY {', '.join(str(number + 1) for number in range(len(keys)))}"
        if keys and self.chance(0.3):
            sql += f" HAVING count(*) > {self.random.randint(0, 3)}"
        return sql

    def windowed(self) -> str:
        scope = Scope({f"p.{name}": of for name, of in self.probe.items()})
        partition = f"PARTITION BY {self.any(scope, 1)} " if self.chance(0.6) else ""
        direction = self.random.choice(("", " DESC"))
        order = f"ORDER BY p.time{direction}"
        number, any_value = self.number(scope, 1), self.any(scope, 1)
        frame = self.random.choice(
            (
                "",
                " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
                " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                " RANGE BETWEEN INTERVAL '3 hours' PRECEDING AND CURRENT ROW",
            )
        )
        function = self.random.choice(
            (
                f"row_number() OVER ({partition}{order})",
                f"rank() OVER ({partition}{order})",
                f"dense_rank() OVER ({partition}ORDER BY p.device)",
                f"ntile(3) OVER ({partition}{order})",
                f"lag({any_value}) OVER ({partition}{order})",
                f"lead({any_value}, 2) OVER ({partition}{order})",
                f"first_value({any_value}) OVER ({partition}{order}{frame})",
                f"last_value({any_value}) OVER ({partition}{order}{frame})",
                f"sum({number}) OVER ({partition}{order}{frame})",
                f"count({any_value}) OVER ({partition}{order}{frame})",
                f"min({number}) OVER ({partition}{order}{frame})",
                f"max({number}) OVER ({partition}{order}{frame})",
            )
        )
        return f"SELECT p.time, {function} AS w FROM probe p"

    def set_operation(self) -> str:
        operation = self.random.choice(("UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"))
        of = self.random.choice(("integer", "double", "text", "boolean", "time"))
        sides = []
        for name in ("a", "b"):
            relation, scope = self.relation(name)
            where = f" WHERE {self.boolean(scope, 2)}" if self.chance(0.5) else ""
            sides.append(f"SELECT {self.of(of, scope, 1)} AS x FROM {relation}{where}")
        return f"{sides[0]} {operation} {sides[1]}"

    def with_subquery(self) -> str:
        (outer, a), (inner, b) = self.relation("a"), self.relation("b")
        of = self.random.choice(("integer", "double", "text", "time"))
        value, item = self.of(of, a, 1), self.of(of, b, 1)
        where = f" WHERE {self.boolean(b, 1)}" if self.chance(0.6) else ""
        key = self.random.choice([name for name in a.columns if a.columns[name] == "text"])
        other = self.random.choice([name for name in b.columns if b.columns[name] == "text"])
        test = self.random.choice(
            (
                f"{value} IN (SELECT {item} FROM {inner}{where})",
                f"{value} NOT IN (SELECT {item} FROM {inner}{where})",
                f"{value} = ANY (SELECT {item} FROM {inner}{where})",
                f"{value} >= ALL (SELECT {item} FROM {inner}{where})",
                f"EXISTS (SELECT 1 FROM {inner} WHERE b.{other} = a.{key})",
                f"NOT EXISTS (SELECT 1 FROM {inner} WHERE b.{other} = a.{key} AND {self.boolean(b, 1)})",
                f"{value} < (SELECT max({item}) FROM {inner}{where})",
                f"(SELECT count(*) FROM {inner} WHERE b.{other} = a.{key}) > 1",
            )
        )
        if self.chance(0.5):
            return f"SELECT {self.items(a)}, {test} AS t FROM {outer}"
        return f"SELECT {self.items(a)} FROM {outer} WHERE {test}"

    def limited(self) -> str:
        scope = Scope({f"p.{name}": of for name, of in self.probe.items()})
        direction = self.random.choice(("", " DESC", " NULLS FIRST", " DESC NULLS LAST"))
        # PostgreSQL takes no constant there.
        order = f"coalesce({self.random.choice(list(scope.names))}, null){direction}, p.time"
        limit = f"LIMIT {self.random.randint(0, 9)}" + (
            f" OFFSET {self.random.randint(0, 20)}" if self.chance(0.4) else ""
        )
        where = f" WHERE {self.boolean(scope, 2)}" if self.chance(0.5) else ""
        return f"SELECT p.time, {self.items(scope)} FROM probe p{where} ORDER BY {order} {limit}"

    def computed(self) -> str:
        relation, scope = self.relation("a")
        return f"SELECT {', '.join(f'{self.any(scope, 4)} AS c{number}' for number in range(3))} FROM {relation}"


def compare_generated(postgres, servers: dict, seed: int, seconds: float) -> str:
    """Asks for so long; what was asked."""
    connections = {
        place: psycopg.connect(
            host="127.0.0.1",
            port=server.postgres,
            user="admin",
            password=server.password,
            dbname="zonelake",
            autocommit=True,
        )
        for place, server in servers.items()
    }
    # The statement files end in the zone of their last one.
    for connection in (postgres.connection, *connections.values()):
        connection.execute("SET TIME ZONE 'UTC'")
    makes = Statements(random.Random(seed))
    counts, differences, ends = Counter(), [], time.monotonic() + seconds
    while time.monotonic() < ends and len(differences) < SHOWN_MAX:
        sql = makes.statement()
        wanted = answer(postgres.connection, sql)
        for place, connection in connections.items():
            found = answer(connection, sql)
            counts["answers"] += 1
            counts["errors of both"] += isinstance(wanted, str) and isinstance(found, str)
            if isinstance(found, str) and found.startswith("0A000"):
                counts["refused in words"] += 1
            elif not same(found, wanted):
                differences.append(f"{place}: {sql}\n  wanted {shown(wanted)}\n  found  {shown(found)}")
                break
    for connection in connections.values():
        connection.close()
    assert not differences, f"seed {seed}: {len(differences)} of {counts['answers']} differ\n" + "\n".join(differences)
    assert counts["refused in words"] * 100 <= counts["answers"] * REFUSED_PERCENT_MAX, counts
    assert counts["errors of both"] * 10 <= counts["answers"], counts
    return ", ".join(f"{count} {what}" for what, count in counts.items())


def answer(connection, sql: str) -> list[tuple] | str:
    """The rows, or the SQLSTATE and the words of an error."""
    result = connection.pgconn.exec_(sql.encode())
    if result.status != ExecStatus.TUPLES_OK:
        code = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b""
        return f"{code.decode()} {result.error_message.decode().strip()}"
    rows = range(result.ntuples)
    return [tuple(result.get_value(row, column) for column in range(result.nfields)) for row in rows]


def same(found, wanted) -> bool:
    if isinstance(found, str) or isinstance(wanted, str):
        return isinstance(found, str) and isinstance(wanted, str)
    if len(found) != len(wanted):
        return False
    # The same key for doubles that differ behind their ninth digit.
    found, wanted = (sorted(map(row_key, rows), key=repr) for rows in (found, wanted))
    return all(len(a) == len(b) and all(map(same_cell, a, b)) for a, b in zip(found, wanted, strict=True))


def row_key(row: tuple) -> tuple:
    return tuple(map(cell_key, row))


def cell_key(cell: bytes | None):
    if cell is None:
        return ""
    try:
        return float(f"{float(cell):.8g}")
    except ValueError:
        return cell


def same_cell(a, b) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return (
            a == b
            or (math.isnan(a) and math.isnan(b))
            or math.isclose(a, b, rel_tol=10 * COMPARED_DIGITS, abs_tol=1e-6)
        )
    return a == b


def shown(rows) -> str:
    return rows if isinstance(rows, str) else f"{len(rows)} rows: {sorted(map(repr, rows))[:6]}"
