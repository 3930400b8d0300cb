"""Relations and expressions of a type, made at random."""

import random
from dataclasses import dataclass

TYPES = ("integer", "double", "text", "boolean", "time")


@dataclass
class Scope:
    """Columns that an expression may name, each with its type."""

    names: dict[str, str]

    @property
    def columns(self) -> dict[str, str]:
        """The same without their relation."""
        return {name.split(".")[-1]: of for name, of in self.names.items()}

    def of(self, of: str) -> list[str]:
        return [name for name, its in self.names.items() if its == of]


class Expressions:
    """Makes them from one source of randomness, so that a seed makes the same statements again."""

    # Columns of the stored table.
    probe = {
        "time": "time",
        "device": "text",
        "level": "double",
        "temperature": "double",
        "pulses": "integer",
        "is_open": "boolean",
        "note": "text",
        "seen": "time",
    }

    def __init__(self, source: random.Random):
        self.random = source

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def relation(self, alias: str) -> tuple[str, Scope]:
        """A relation that has a column of text at least."""
        kind = self.random.randint(0, 3)
        if kind == 0:
            return self.values(alias)
        scope = Scope({f"{alias}.{name}": of for name, of in self.probe.items()})
        if kind == 1:
            inner = Scope({f"q.{name}": of for name, of in self.probe.items()})
            where = self.boolean(inner, 1)
            return f"(SELECT * FROM (SELECT {', '.join(self.probe)} FROM probe) q WHERE {where}) {alias}", scope
        return f"probe {alias}", scope

    def values(self, alias: str) -> tuple[str, Scope]:
        rows = []
        for _ in range(self.random.randint(1, 6)):
            number = self.random.choice(("null", str(self.random.randint(-5, 9))))
            text = self.random.choice(("null", "'d0'", "'d1'", "'d2'", "''"))
            double = self.random.choice(("null", "'NaN'", "'-Infinity'", f"'{self.random.randint(-40, 40) / 8}'"))
            rows.append(f"({number}::int8, {text}::text, {double}::float8)")
        columns = {f"{alias}.k": "integer", f"{alias}.s": "text", f"{alias}.v": "double"}
        return f"(VALUES {', '.join(rows)}) {alias}(k, s, v)", Scope(columns)

    def items(self, scope: Scope) -> str:
        count = self.random.randint(1, 3)
        return ", ".join(f"{self.any(scope, 2)} AS c{number}" for number in range(count))

    def any(self, scope: Scope, depth: int) -> str:
        return self.of(self.random.choice(TYPES), scope, depth)

    def of(self, of: str, scope: Scope, depth: int) -> str:
        makers = {
            "integer": self.integer,
            "double": self.double,
            "text": self.text,
            "boolean": self.boolean,
            "time": self.instant,
        }
        return makers[of](scope, depth)

    def number(self, scope: Scope, depth: int) -> str:
        return self.integer(scope, depth) if self.chance(0.5) else self.double(scope, depth)

    def leaf(self, of: str, scope: Scope, constant: str) -> str:
        names = scope.of(of)
        return self.random.choice(names) if names and self.chance(0.75) else constant

    def integer(self, scope: Scope, depth: int) -> str:
        """A whole number that is small, so that arithmetic stays within its type."""
        if depth <= 0:
            constant = self.random.choice(("null::int8", f"({self.random.randint(-9, 99)})::int8"))
            # One of the stored numbers is the greatest that there is.
            return f"({self.leaf('integer', scope, constant)} % 1000)"
        a, b = (lambda: self.integer(scope, depth - 1)), (lambda: self.integer(scope, depth - 1))
        choices = (
            lambda: self.integer(scope, 0),
            lambda: f"({a()} {self.random.choice('+-')} {b()})",
            lambda: f"(({a()} % 50) * ({b()} % 50))",
            lambda: f"({a()} / {self.random.choice((2, 3, 7, -4))})",
            lambda: f"({a()} % {self.random.choice((2, 5, -3))})",
            lambda: f"abs({a()})",
            lambda: f"coalesce({a()}, {b()})",
            lambda: f"nullif({a()}, {b()})",
            lambda: f"greatest({a()}, {b()})",
            lambda: f"least({a()}, {b()})",
            lambda: f"CASE WHEN {self.boolean(scope, depth - 1)} THEN {a()} ELSE {b()} END",
            lambda: f"length({self.text(scope, depth - 1)})",
            lambda: f"position('o' in {self.text(scope, depth - 1)})",
            lambda: f"extract(hour from {self.instant(scope, depth - 1)})::int8",
            lambda: f"CAST({a()} AS integer)",
            lambda: f"({self.boolean(scope, depth - 1)})::int",
            lambda: f"CAST({a()}::text AS int8)",
        )
        return self.random.choice(choices)()

    def double(self, scope: Scope, depth: int) -> str:
        if depth <= 0:
            constant = self.random.choice(("null::float8", f"({self.random.randint(-90, 90) / 16})::float8"))
            return self.leaf("double", scope, constant)
        a, b = (lambda: self.double(scope, depth - 1)), (lambda: self.double(scope, depth - 1))
        choices = (
            lambda: self.double(scope, 0),
            lambda: f"({a()} {self.random.choice('+-*')} {b()})",
            lambda: f"({a()} / {self.random.choice(('2', '0.25::float8', '-8'))})",
            lambda: f"abs({a()})",
            lambda: f"floor({a()})",
            lambda: f"ceil({a()})",
            lambda: f"round({a()})",
            lambda: f"trunc({a()})",
            lambda: f"sqrt(abs({a()}))",
            lambda: f"coalesce({a()}, {b()})",
            lambda: f"greatest({a()}, {b()})",
            lambda: f"CASE WHEN {self.boolean(scope, depth - 1)} THEN {a()} END",
            lambda: f"({self.integer(scope, depth - 1)})::float8",
            lambda: f"(-{a()})",
        )
        return self.random.choice(choices)()

    def text(self, scope: Scope, depth: int) -> str:
        if depth <= 0:
            constant = self.random.choice(("null::text", "''", "'d1'", "'note 3'", "'aBer_%x'", "' a b '"))
            return self.leaf("text", scope, constant)
        a, b = (lambda: self.text(scope, depth - 1)), (lambda: self.text(scope, depth - 1))
        count = self.random.randint(-2, 6)
        choices = (
            lambda: self.text(scope, 0),
            lambda: f"({a()} || {b()})",
            lambda: f"upper({a()})",
            lambda: f"lower({a()})",
            lambda: f"trim({a()})",
            lambda: f"left({a()}, {count})",
            lambda: f"right({a()}, {count})",
            lambda: f"substring({a()} from {self.random.randint(-1, 5)} for {abs(count)})",
            lambda: f"replace({a()}, 'o', '0')",
            lambda: f"reverse({a()})",
            lambda: f"lpad({a()}, {abs(count)}, 'xy')",
            lambda: f"split_part({a()}, ' ', {self.random.choice((1, 2, -1))})",
            lambda: f"concat({a()}, {self.integer(scope, 0)}, {b()})",
            lambda: f"coalesce({a()}, {b()})",
            lambda: f"nullif({a()}, {b()})",
            lambda: f"({self.integer(scope, depth - 1)})::text",
            lambda: f"({self.boolean(scope, depth - 1)})::text",
            lambda: f"to_char({self.instant(scope, depth - 1)}, 'YYYY-MM-DD HH24:MI')",
            lambda: f"CASE {a()} WHEN 'd0' THEN 'zero' WHEN 'd1' THEN {b()} ELSE 'other' END",
            lambda: f"initcap({a()})",
            lambda: f"regexp_replace({a()}, '[aeiou]', '*', 'g')",
            lambda: f"CAST({a()} AS varchar(4))",
        )
        return self.random.choice(choices)()

    def boolean(self, scope: Scope, depth: int) -> str:
        if depth <= 0:
            return self.leaf("boolean", scope, self.random.choice(("true", "false", "null::boolean")))
        a, b = (lambda: self.boolean(scope, depth - 1)), (lambda: self.boolean(scope, depth - 1))
        sign = self.random.choice(("=", "<>", "<", "<=", ">", ">="))
        of = self.random.choice(TYPES)
        x, y, z = (lambda: self.of(of, scope, depth - 1) for _ in range(3))
        text = lambda: self.text(scope, depth - 1)
        choices = (
            lambda: self.boolean(scope, 0),
            lambda: f"({a()} AND {b()})",
            lambda: f"({a()} OR {b()})",
            lambda: f"(NOT {a()})",
            lambda: f"({x()} {sign} {y()})",
            lambda: f"({x()} {sign} {y()})",
            lambda: f"({x()} {sign} {y()})",
            lambda: f"({x()} IS NULL)",
            lambda: f"({x()} IS NOT NULL)",
            lambda: f"({x()} IS DISTINCT FROM {y()})",
            lambda: f"({x()} IS NOT DISTINCT FROM {y()})",
            lambda: f"({x()} IN ({y()}, {z()}))",
            lambda: f"({x()} NOT IN ({y()}, {z()}))",
            lambda: f"({x()} BETWEEN {y()} AND {z()})",
            lambda: f"({x()} NOT BETWEEN {y()} AND {z()})",
            lambda: f"({text()} LIKE {self.random.choice(('%o%', 'note _%', 'd_', '%1 %', ''))!r})",
            lambda: f"({text()} NOT ILIKE {self.random.choice(('%O%', 'NOTE%', 'D_'))!r})",
            lambda: f"({text()} ~ {self.random.choice(('^note', '[0-9]$', 'd[01]', '(of|some)'))!r})",
            lambda: f"(({a()}) IS TRUE)",
            lambda: f"(({a()}) IS NOT FALSE)",
            lambda: f"(({a()}) IS UNKNOWN)",
            lambda: f"({x()} = ANY (ARRAY[{y()}, {z()}]))",
            lambda: f"({x()} <> ALL (ARRAY[{y()}, {z()}]))",
        )
        return self.random.choice(choices)()

    def instant(self, scope: Scope, depth: int) -> str:
        if depth <= 0:
            constants = (
                "null::timestamptz",
                "timestamptz '2026-01-01 05:30:00+00'",
                "timestamptz '2025-12-31 23:59:59.5+07'",
            )
            return self.leaf("time", scope, self.random.choice(constants))
        a = lambda: self.instant(scope, depth - 1)
        span = self.random.choice(
            ("1 hour", "90 minutes", "1 day", "1 month", "-2 days", "0.5 seconds", "1 year 2 mons")
        )
        unit = self.random.choice(("hour", "day", "month", "minute", "week", "year", "quarter"))
        choices = (
            lambda: self.instant(scope, 0),
            lambda: f"({a()} {self.random.choice('+-')} interval '{span}')",
            lambda: f"date_trunc('{unit}', {a()})",
            lambda: f"coalesce({a()}, {a()})",
            lambda: f"greatest({a()}, {a()})",
            lambda: f"({a()} AT TIME ZONE 'Asia/Ho_Chi_Minh' AT TIME ZONE 'UTC')",
            lambda: f"({a()}::date)::timestamptz",
            lambda: f"to_timestamp(({self.integer(scope, depth - 1)})::float8)",
        )
        return self.random.choice(choices)()

    def aggregate(self, scope: Scope) -> str:
        number, value, text = self.number(scope, 1), self.any(scope, 1), self.text(scope, 1)
        choices = (
            "count(*)",
            f"count({value})",
            f"count(DISTINCT {value})",
            f"sum({number})",
            f"sum(DISTINCT {self.integer(scope, 1)})",
            f"avg({number})",
            f"min({self.random.choice((number, self.text(scope, 1), self.instant(scope, 1)))})",
            f"max({self.random.choice((number, self.text(scope, 1), self.instant(scope, 1)))})",
            f"bool_and({self.boolean(scope, 1)})",
            f"bool_or({self.boolean(scope, 1)})",
            f"count(*) FILTER (WHERE {self.boolean(scope, 2)})",
            f"sum({number}) FILTER (WHERE {self.boolean(scope, 2)})",
            f"string_agg({text}, ',' ORDER BY {text})",
        )
        return self.random.choice(choices)
