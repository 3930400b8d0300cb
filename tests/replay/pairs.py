"""Files as loggers write them: each disguise of one file, and each pair of two, through `zonelake push` with the keys of the mapping that undo it. What is
stored is what the plain file says, row by row; and a file that is read without the key of one of its disguises ends in the same rows or in a message.

    python tests/replay/pairs.py [NAME OF A DISGUISE ...]

Standard library, openpyxl and pyarrow.
"""

import csv
import gzip
import io
import itertools
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import openpyxl
import pyarrow

from disguises import toml
from server import Server

LOCAL = timezone(timedelta(hours=7))
HEAD = ["when", "temp", "press", "sector"]
FIELDS = {"temp": "temperature", "press": "pressure", "sector": "wind_sector"}
# The last day's end is among them, a value that is missing, one of four digits, and Vietnamese text.
ROWS = [
    (datetime(2026, 1, 1, 22, 0), "20.5", "1013.2", "Đông"),
    (datetime(2026, 1, 1, 23, 0), "", "1012.5", "Tây Bắc"),
    (datetime(2026, 1, 2, 0, 0), "0.25", "1001.5", "Bắc"),
    (datetime(2026, 1, 2, 1, 0), "-3.5", "", "Tây"),
]


class Sheet:
    """A file while it is made: texts of cells, and the mapping that reads them."""

    def __init__(self):
        self.before, self.behind_head = [], []
        self.head = list(HEAD)
        self.rows = [[at.strftime("%Y-%m-%d %H:%M"), *rest] for at, *rest in ROWS]
        self.delimiter, self.end, self.encode, self.ending = ",", "\n", lambda text: text.encode(), ".csv"
        self.pack = lambda content: content
        self.comments, self.trailing, self.has_head, self.is_book, self.is_long = False, False, True, False, False
        self.mapping = {"table": "environment", "columns": dict(FIELDS)}
        self.time = {"columns": ["when"], "format": "%Y-%m-%d %H:%M", "zone": "+07:00"}

    def cells(self, change):
        """Changes the numbers."""
        self.rows = [[at, change(temp), change(press), sector] for at, temp, press, sector in self.rows]

    def lines(self) -> list[list[str]]:
        head, rows = self.head, self.rows
        if self.is_long:
            head = ["when", "what", "value"]
            rows = [[row[0], name, row[place]] for row in self.rows for place, name in enumerate(self.head) if place]
        rows = [row + [""] for row in rows] if self.trailing else rows
        first = [head + [""] if self.trailing else head] if self.has_head else []
        return [*self.before, *first, *self.behind_head, *rows]

    def write(self, folder: Path, device: str) -> tuple[Path, Path]:
        path = folder / f"{device}{self.ending}"
        if self.is_book:
            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet("A")
            for line in self.lines():
                sheet.append([float(cell) if cell.replace(".", "", 1).replace("-", "", 1).isdigit() and "." in cell else cell for cell in line])
            book.save(path)
        else:
            out = io.StringIO()
            csv.writer(out, delimiter=self.delimiter, lineterminator=self.end).writerows(self.lines())
            text = out.getvalue()
            if self.comments:
                text = f"# of a logger{self.end}{text}# the end{self.end}"
            path.write_bytes(self.pack(self.encode(text)))
        mapping = folder / f"{device}.toml"
        whole = self.mapping | {"device": {"constant": device}, "time": self.time}
        mapping.write_text("".join(f"{key} = {toml(value)}\n" for key, value in whole.items()))
        return path, mapping


def crlf(sheet):
    sheet.end = "\r\n"


def cr(sheet):
    sheet.end = "\r"


def bom(sheet):
    sheet.encode = lambda text: text.encode("utf-8-sig")


def utf16(sheet):
    sheet.encode = lambda text: text.encode("utf-16")


def windows_1258(sheet):
    # Letters with marks of their own, as that encoding has them.
    letters = {"ắ": "ă\u0301", "Đ": "Đ"}
    sheet.encode = lambda text: "".join(letters.get(letter, letter) for letter in text).encode("cp1258")
    sheet.mapping["encoding"] = "windows-1258"


def zipped(sheet):
    sheet.pack, sheet.ending = gzip.compress, sheet.ending + ".gz"


def zstandard(sheet):
    def pack(content):
        out = pyarrow.BufferOutputStream()
        with pyarrow.CompressedOutputStream(out, "zstd") as packed:
            packed.write(content)
        return out.getvalue().to_pybytes()

    sheet.pack, sheet.ending = pack, sheet.ending + ".zst"


def xlsx(sheet):
    sheet.is_book, sheet.ending = True, ".xlsx"


def semicolon(sheet):
    sheet.delimiter = sheet.mapping["delimiter"] = ";"


def tab(sheet):
    sheet.delimiter, sheet.mapping["delimiter"] = "\t", "tab"


def decimal_comma(sheet):
    sheet.cells(lambda cell: cell.replace(".", ","))
    sheet.mapping["decimal_comma"] = True


def grouping(sheet):
    sheet.cells(lambda cell: cell[0] + "'" + cell[1:] if len(cell) > 5 else cell)
    sheet.mapping["grouping"] = "'"


def nulls(sheet):
    sheet.cells(lambda cell: cell or "NA")
    sheet.mapping["nulls"] = ["", "NA"]


def sentinel(sheet):
    sheet.cells(lambda cell: cell or "-9999")
    sheet.mapping["sentinels"] = [-9999]


def below_detection(sheet):
    sheet.cells(lambda cell: {"0.25": "<0.5", "0,25": "<0,5"}.get(cell, cell))
    sheet.mapping["below_detection"] = "half"


def head_lines(sheet):
    sheet.before = [["TOA5", "station", "CR1000"], ["made by", "a logger"]]
    sheet.mapping["skip_lines"] = 2


def units_row(sheet):
    sheet.behind_head = [["", "°C", "hPa", ""], *sheet.behind_head]
    sheet.mapping["units_row"] = True


def rows_behind_head(sheet):
    sheet.behind_head = [*sheet.behind_head, ["", "Avg", "Avg", "Smp"]]
    sheet.mapping["skip_rows"] = 1


def comments(sheet):
    sheet.comments, sheet.mapping["comment"] = True, "#"
    # Lines before the names are lines of the file, whatever they are.
    if "skip_lines" in sheet.mapping:
        sheet.mapping["skip_lines"] += 1


def trailing(sheet):
    sheet.trailing = True


def no_head(sheet):
    sheet.has_head = False
    sheet.mapping["header"] = sheet.head


def long_form(sheet):
    sheet.is_long = True
    sheet.mapping["long"] = {"parameter": "what", "value": "value"}


def other_order(sheet):
    sheet.head = [sheet.head[0], *reversed(sheet.head[1:])]
    sheet.rows = [[row[0], *reversed(row[1:])] for row in sheet.rows]


def kept_apart(sheet):
    sheet.head = [*sheet.head, "remark"]
    sheet.rows = [[*row, "x, y"] for row in sheet.rows]
    sheet.mapping["ignore"] = ["remark"]


def end_of_day(sheet):
    for row, (at, *_) in zip(sheet.rows, ROWS):
        if at.hour == 0:
            row[0] = (at - timedelta(days=1)).strftime("%Y-%m-%d 24:00")


def epoch(sheet):
    for row, (at, *_) in zip(sheet.rows, ROWS):
        row[0] = str(int(at.replace(tzinfo=LOCAL).timestamp() * 1000))
    sheet.time = {"columns": ["when"], "epoch": "ms"}


def serial(sheet):
    for row, (at, *_) in zip(sheet.rows, ROWS):
        row[0] = repr((at - datetime(1899, 12, 30)) / timedelta(days=1))
    sheet.time = {"columns": ["when"], "serial": "excel", "zone": "+07:00"}


# Each with what it takes for itself: two that take the same do not make a pair. They are put on in this order: decimals before groups, names before the head goes.
DISGUISES = {
    crlf: {"end"},
    cr: {"end"},
    bom: {"bytes"},
    utf16: {"bytes"},
    windows_1258: {"bytes"},
    zipped: {"pack"},
    zstandard: {"pack"},
    xlsx: {"end", "bytes", "pack", "delimiter", "comment", "trailing"},
    semicolon: {"delimiter"},
    tab: {"delimiter"},
    decimal_comma: {"decimals"},
    grouping: {"groups"},
    nulls: {"nulls"},
    sentinel: {"nulls"},
    below_detection: {"detection"},
    head_lines: {"before"},
    units_row: {"behind", "width"},
    rows_behind_head: {"behind rows", "width"},
    comments: {"comment"},
    trailing: {"trailing"},
    other_order: {"order", "width"},
    kept_apart: {"order", "width"},
    no_head: {"names"},
    long_form: {"form", "width", "names", "order"},
    end_of_day: {"times"},
    epoch: {"times"},
    serial: {"times"},
}


def wanted(device: str) -> list[tuple]:
    number = lambda text: float(text) if text else None
    utc = lambda at: at.replace(tzinfo=LOCAL).astimezone(timezone.utc)
    return [(device, utc(at), number(temp), number(press), sector) for at, temp, press, sector in ROWS]


def main() -> int:
    only = sys.argv[1:]
    singles = [(disguise,) for disguise in DISGUISES]
    pairs = [pair for pair in itertools.combinations(DISGUISES, 2) if not DISGUISES[pair[0]] & DISGUISES[pair[1]]]
    chosen = [pair for pair in (*singles, *pairs) if not only or any(disguise.__name__ in only for disguise in pair)]
    failed, without = [], 0
    with Server() as server:
        server.start()
        token = server.add_gateway("g")
        folder = Path(server.folder.name)
        said = {}
        for pair in chosen:
            device = "-".join(disguise.__name__ for disguise in pair)
            sheet = Sheet()
            for disguise in pair:
                disguise(sheet)
            path, mapping = sheet.write(folder, device)
            done = server.run("push", "--server", f"127.0.0.1:{server.quic}", "--token", token, "--mapping", mapping, path, check=False)
            said[device] = done.stdout + done.stderr
        stored = server.sql("select device, time, temperature, pressure, wind_sector from environment order by device, time")
        found = {}
        for row in zip(*(column.to_pylist() for column in stored.columns)):
            found.setdefault(row[0], []).append(row)
        for device, words in said.items():
            if found.get(device) != wanted(device):
                failed.append(device)
                print(f"{device}: {found.get(device)}\n    {words.strip()}", flush=True)
        # The same files without the keys that only one of their disguises needs.
        for disguise in (disguise for disguise in DISGUISES if not only or disguise.__name__ in only):
            sheet = Sheet()
            disguise(sheet)
            plain = Sheet()
            if (sheet.mapping, sheet.time) == (plain.mapping, plain.time):
                continue
            sheet.mapping, sheet.time = plain.mapping, plain.time
            device = f"without-{disguise.__name__}"
            path, mapping = sheet.write(folder, device)
            done = server.run("push", "--server", f"127.0.0.1:{server.quic}", "--token", token, "--mapping", mapping, path, check=False)
            rows = server.sql(f"select device, time, temperature, pressure, wind_sector from environment where device = '{device}' order by time")
            rows = list(zip(*(column.to_pylist() for column in rows.columns)))
            without += 1
            names_place = path.name in done.stderr and any(word in done.stderr for word in ("line", "row", "column", "mapping"))
            if rows != wanted(device) and not (rows == [] and done.returncode != 0 and names_place):
                failed.append(device)
                print(f"{device}: {rows}\n    {done.returncode}: {(done.stdout + done.stderr).strip()}", flush=True)
    assert not failed, f"{len(failed)} of {len(chosen) + without}: {', '.join(failed)}"
    print(f"{len(singles)} disguises, {len(chosen)} files of one or two: each is stored as the plain file; {without} without their keys are, or are refused by name")
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
