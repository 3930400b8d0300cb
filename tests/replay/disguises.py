"""All recordings as other programs would have written them, each form on an empty server and sent three times with kills of both sides: what is stored
equals the plain files to the last reading. Sent to a server that has the plain files, a form adds nothing, or the push says what is there and asks.

    python tests/replay/disguises.py [FOLDER OF THE RECORDINGS] [NAME OF A FORM ...]

Standard library, openpyxl and pyarrow. The folder is the argument, or ZONELAKE_RECORDINGS, or ../shared/data beside the repository.
"""

import csv
import io
import os
import random
import re
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import openpyxl
import pyarrow

from server import REPOSITORY, Server, binary

KINDS = {"air": "air", "energy": "steel_plant", "production": "pump", "network": "network"}
COUNTS = re.compile(r"Of (\d+) of its times of devices the table has rows of (\d+)")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?")
SYMBOLS = {"PM2.5": "PM2,5", "PM10": "PM10", "SO2": "SO2", "NO2": "NO2", "CO": "CO", "O3": "O3", "TEMP": "Temp", "PRES": "P",
           "DEWP": "DEWP", "RAIN": "RAIN", "wd": "wd", "WSPM": "WSPM"}


def lines_of(file: Path, mapping: dict) -> list[list[str]]:
    """The cells of a recording, its head first."""
    text = file.read_text(encoding="utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=mapping.get("delimiter", ",")))


def text_of(lines: list[list[str]], delimiter: str, end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(lines)
    return out.getvalue()


def toml(value) -> str:
    """A value of a mapping as TOML; a table in a table stands in one line."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    raise TypeError(value)


class Form:
    """Files of each kind in one form, with their mapping."""

    # True where the rows are those of the plain files in their order, so that sending it adds nothing without a question.
    same_rows = True
    kinds = tuple(KINDS)
    steps = 1

    def files(self, file: Path, mapping: dict, step: int):
        """Names and contents of what becomes of one file."""
        raise NotImplementedError

    def mapping(self, mapping: dict) -> dict:
        return mapping


class Plain(Form):
    def files(self, file, mapping, step):
        yield file.name, file.read_bytes()


class Crlf(Form):
    def files(self, file, mapping, step):
        yield file.name, text_of(lines_of(file, mapping), mapping.get("delimiter", ","), "\r\n").encode()


class Utf16(Form):
    def files(self, file, mapping, step):
        yield f"{file.stem}.txt", text_of(lines_of(file, mapping), mapping.get("delimiter", ",")).encode("utf-16")


class Semicolon(Form):
    def files(self, file, mapping, step):
        head, *rows = lines_of(file, mapping)
        comma = lambda cell: cell.replace(".", ",") if NUMBER.fullmatch(cell) else cell
        yield file.name, text_of([head, *([comma(cell) for cell in row] for row in rows)], ";").encode()

    def mapping(self, mapping):
        return mapping | {"delimiter": ";", "decimal_comma": True}


class Reordered(Form):
    same_rows = False

    def files(self, file, mapping, step):
        head, *rows = lines_of(file, mapping)
        turned = [row[::-1] for row in (head, *reversed(rows))]
        yield file.name, text_of(turned, mapping.get("delimiter", ",")).encode()


class Long(Form):
    same_rows = False

    def files(self, file, mapping, step):
        head, *rows = lines_of(file, mapping)
        keys = {*mapping["time"]["columns"], mapping["device"].get("column")}
        kept = [place for place, name in enumerate(head) if name in keys]
        lines = [[head[place] for place in kept] + ["what", "value"]]
        for place, name in enumerate(head):
            if name in mapping["columns"]:
                lines += [[row[key] for key in kept] + [name, row[place]] for row in rows]
        yield file.name, text_of(lines, ",").encode()

    def mapping(self, mapping):
        return {key: value for key, value in mapping.items() if key != "delimiter"} | {"long": {"parameter": "what", "value": "value"}}


class Circular10(Form):
    """Files of a station and a month; other names and units of the parameters, which the mapping turns back."""

    same_rows = False
    kinds = ("air",)

    def files(self, file, mapping, step):
        head, *rows = lines_of(file, mapping)
        of = {name: place for place, name in enumerate(head)}
        months = {}
        for row in rows:
            year, month, day, hour = (int(row[of[name]]) for name in ("year", "month", "day", "hour"))
            stamp = f"{year:04}{month:02}{day:02}{hour:02}0000"
            lines = months.setdefault((year, month), [f"HaTinh_Formosa_{row[of['station']]}_{stamp}.txt", []])[1]
            for name, symbol in SYMBOLS.items():
                lines.append(f"{symbol}\t{row[of[name]]}\t\t{stamp}\t00\r\n")
        for name, lines in months.values():
            yield name, "".join(lines).encode()

    def mapping(self, mapping):
        own = tomllib.loads((REPOSITORY / "gateway" / "mappings" / "circular_10_air.toml").read_text())
        own["long"].pop("unit")
        columns = {SYMBOLS[name]: field for name, field in mapping["columns"].items()}
        own = own | {"nulls": mapping["nulls"], "columns": columns, "ignore": ["unit"]}
        own["time"]["zone"] = mapping["time"]["zone"]
        return own


class Xlsx(Form):
    """A workbook as openpyxl writes it: numbers are numbers, and the rest is text."""

    def files(self, file, mapping, step):
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("A")
        for row in lines_of(file, mapping):
            sheet.append([number(cell) for cell in row])
        out = io.BytesIO()
        book.save(out)
        yield f"{file.stem}.xlsx", out.getvalue()

    def mapping(self, mapping):
        return {key: value for key, value in mapping.items() if key != "delimiter"}


def number(cell: str):
    """A number where a sheet gives it back as it was, and else the text."""
    if not NUMBER.fullmatch(cell):
        return cell
    value = float(cell)
    if value.is_integer() and str(int(value)) == cell:
        return int(value)
    # openpyxl writes sixteen digits.
    return value if repr(value) == cell and float(f"{value:.16g}") == value else cell


class Grown(Form):
    steps = 3

    def files(self, file, mapping, step):
        lines = file.read_bytes().splitlines(keepends=True)
        yield file.name, b"".join(lines[: 1 + (len(lines) - 1) * (step + 1) // self.steps])


FORMS = {form.__name__.lower(): form() for form in (Crlf, Utf16, Semicolon, Reordered, Long, Circular10, Xlsx, Grown)}


def write(folder: Path, recordings: Path, form: Form, step: int) -> list[tuple[Path, list[Path]]]:
    """Writes all files of a form; gives mapping and files of each kind."""
    written = []
    for kind in form.kinds:
        mapping = tomllib.loads((REPOSITORY / "gateway" / "mappings" / f"{KINDS[kind]}.toml").read_text())
        place = folder / kind
        place.mkdir(parents=True, exist_ok=True)
        own = folder / f"{kind}.toml"
        own.write_text("".join(f"{key} = {toml(value)}\n" for key, value in form.mapping(mapping).items()))
        files = []
        for file in sorted((recordings / kind).glob("*.csv")):
            for name, content in form.files(file, mapping, step):
                files.append(place / name)
                files[-1].write_bytes(content)
        written.append((own, files))
    return written


def push(server: Server, token: str, mapping: Path, files: list[Path]) -> subprocess.Popen:
    command = [binary(), "push", "--server", f"127.0.0.1:{server.quic}", "--token", token, "--mapping", mapping, *files]
    return subprocess.Popen(command, env=server.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def send(server: Server, token: str, written: list, kills: random.Random | None) -> tuple[list[tuple[int, str, str]], int]:
    """Pushes everything; with kills, sometimes the push is killed and made again, and sometimes the server. Gives what each push said, and the kills."""
    said, killed = [], 0
    for mapping, files in written:
        chances = 2 if kills else 0
        while True:
            process = push(server, token, mapping, files)
            pipes = []
            reader = threading.Thread(target=lambda: pipes.append(process.communicate()))
            reader.start()
            if chances > 0:
                reader.join(kills.uniform(0.2, 2.0))
                if reader.is_alive():
                    chances -= 1
                    killed += 1
                    if kills.random() < 0.5:
                        process.kill()
                    else:
                        server.kill()
                        server.start()
            reader.join()
            if process.returncode >= 0:
                said.append((process.returncode, *pipes[0]))
                break
    return said, killed


def content(server: Server, tables: dict) -> dict:
    """Every reading of every table, in one order."""
    found = {}
    for table, fields in tables.items():
        # A device at a time: a busy machine need not answer with all of them within the time of one statement.
        devices = server.sql(f"select distinct device from {table} order by device").column(0).to_pylist()
        rows = "select device, time, quality, {} from {} where device = '{}'".format
        parts = [server.sql(rows(", ".join(fields), table, device)) for device in devices]
        answer = pyarrow.concat_tables(parts, promote_options="permissive").unify_dictionaries()
        found[table] = answer.sort_by([(name, "ascending") for name in answer.column_names]).combine_chunks()
    return found


def check_form(name: str, form: Form, recordings: Path, folder: Path, plain: dict, tables: dict, plain_server: Server, plain_token: str):
    """One form on an empty server with kills, and on the server with the plain files."""
    began = time.monotonic()
    kills = random.Random(name)
    killed = 0
    steps = [write(folder / f"{step}", recordings, form, step) for step in range(form.steps)]
    with Server(flush_age_seconds=2) as server:
        server.start()
        token = server.add_gateway("g")
        for again in range(3):
            for step in range(form.steps):
                said, more = send(server, token, steps[step], kills if again < 2 else None)
                killed += more
                for code, out, error in said:
                    assert code == 0, f"{name}: exit code {code}: {out}{error}\n{server.log.read_text()[-2000:]}"
        stored = content(server, {table: fields for table, (kind, fields) in tables.items() if kind in form.kinds})
        for table, rows in stored.items():
            assert rows.equals(plain[table]), f"{name}: {table} differs: {rows.num_rows} rows, {plain[table].num_rows} of the plain files"
    said, _ = send(plain_server, plain_token, steps[-1], None)
    asked, there = 0, 0
    for code, out, error in said:
        asked += code == 2
        assert code == 0 or (not form.same_rows and code == 2 and "--again" in error), f"{name} behind the plain files: {code}: {out}{error}"
        if code == 2:
            counts = [tuple(map(int, count)) for count in COUNTS.findall(error)]
            assert counts and all(found > 0 for _, found in counts), f"{name}: how many of its times are there is not said: {error}"
            there += sum(found for _, found in counts)
    for table, rows in content(plain_server, {table: fields for table, (_, fields) in tables.items()}).items():
        assert rows.equals(plain[table]), f"{name} behind the plain files adds rows to {table}"
    rows = sum(rows.num_rows for rows in stored.values())
    print(f"{name}: {rows} rows equal the plain files after {killed} kills; behind these it adds nothing, {asked} pushes ask, with {there} times that are there; {time.monotonic() - began:.0f} s", flush=True)


def main():
    arguments = sys.argv[1:]
    folders = [argument for argument in arguments if Path(argument).is_dir()]
    names = [argument for argument in arguments if argument in FORMS] or list(FORMS)
    recordings = Path(folders[0] if folders else os.environ.get("ZONELAKE_RECORDINGS", REPOSITORY.parent / "shared" / "data"))
    mappings = {kind: tomllib.loads((REPOSITORY / "gateway" / "mappings" / f"{name}.toml").read_text()) for kind, name in KINDS.items()}
    tables = {
        mapping["table"]: (kind, [*mapping["columns"].values(), *filter(None, [mapping.get("file_name_field")])])
        for kind, mapping in mappings.items()
    }
    with Server() as server:
        server.start()
        token = server.add_gateway("g")
        place = Path(server.folder.name)
        said, _ = send(server, token, write(place / "plain", recordings, Plain(), 0), None)
        assert all(code == 0 for code, _, _ in said), said
        plain = content(server, {table: fields for table, (_, fields) in tables.items()})
        print(f"plain: {sum(rows.num_rows for rows in plain.values())} rows", flush=True)
        for name in names:
            check_form(name, FORMS[name], recordings, place / name, plain, tables, server, token)


if __name__ == "__main__":
    main()
