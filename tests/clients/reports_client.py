"""Workbooks of reports, opened by another library than the one that writes them: numbers are numbers, days are days, texts are no formulas, and charts are there."""

import json
import math
import tomllib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import openpyxl
import plausible_day
from server import REPOSITORY, ZONE

REPORTS = ("environment", "production", "energy", "network", "security", "data-quality")
VIET_NAM = timezone(timedelta(hours=7))
# Rows of a sheet before those of the section, from 1: title, note, an empty one, labels.
HEAD = 4


def same(cell, value, place):
    """Fails where a cell of a sheet is not what JSON has."""
    assert cell.data_type != "f", f"{place}: a formula: {cell.value!r}"
    got = cell.value
    if value is None:
        assert got is None, f"{place}: {got!r}, and there is no value"
    elif isinstance(value, bool):
        assert got is value, f"{place}: {got!r}, not {value!r}"
    elif isinstance(value, int | float):
        assert cell.data_type == "n" and math.isclose(got, value, rel_tol=1e-12, abs_tol=1e-12), f"{place}: {got!r}, not {value!r}"
    elif isinstance(got, datetime):
        # A sheet has no zone, and its head says which one it is; parts of a second are left out.
        wanted = datetime.fromisoformat(value).replace(tzinfo=None, microsecond=0)
        assert abs(got - wanted) < timedelta(seconds=1), f"{place}: {got!r}, not {value!r}"
    else:
        assert isinstance(got, str) and got, f"{place}: {got!r}, not {value!r}"


def check_workbook(path, report, declared, digest):
    book = openpyxl.load_workbook(path)
    sheets = book.worksheets
    assert len(sheets) == len(report["sections"]) + 2, book.sheetnames
    summary = [str(cell.value) for row in sheets[0].iter_rows() for cell in row if cell.value is not None]
    assert report["title"] in summary and digest in summary, summary
    assert any("Asia/Ho_Chi_Minh" in text for text in summary), "the head does not say the zone of times"
    days = 0
    for sheet, section, known in zip(sheets[1:-1], report["sections"], declared["section"], strict=True):
        place = f"{report['report']}, {section['name']}"
        columns = section["columns"]
        labels = [cell.value for cell in sheet[HEAD][: len(columns)]]
        assert all(label.startswith(column["label"]) for label, column in zip(labels, columns)), f"{place}: {labels}"
        for number, row in enumerate(section["rows"]):
            for at, value in enumerate(row):
                cell = sheet.cell(HEAD + 1 + number, at + 1)
                same(cell, value, f"{place}, {columns[at]['name']}")
                days += isinstance(cell.value, datetime)
        if section["rows"]:
            drawn = [at for at, column in enumerate(columns) if column["name"] in known.get("plot", {"y": []})["y"]]
            has_figures = any(row[at] is not None for row in section["rows"] for at in drawn)
            assert len(sheet._charts) == has_figures, f"{place}: {len(sheet._charts)} charts"
        else:
            assert section["reason"]["code"] in sheet.cell(HEAD + 1, 1).value, f"{place}: no word of why there are no rows"
    assert days > 0, f"{report['report']}: no cell is a day or a time"
    statements = [row[1].value for row in sheets[-1].iter_rows()]
    assert statements == [section["sql"] for section in report["sections"]], statements


def check(server):
    if server.value("SELECT count(*) FROM gateways WHERE name = 'plausible'") == 0:
        plausible_day.bring(server)
    before = server.settings
    server.settings = before | {"PASSWORD": server.password, "URL": server.url}
    today = datetime.now(VIET_NAM).date()
    period = f"{today - timedelta(days=2)}..{today}"
    path = Path(server.folder.name) / "report.xlsx"
    for name in REPORTS:
        declared = tomllib.loads((REPOSITORY / "schemas" / "reports" / f"{name}.toml").read_text())
        for language in ("vi", "en"):
            common = ("report", name, "--zone", ZONE, "--period", period, "--language", language)
            # Rows come in no more, so that two calls have the same figures.
            report = json.loads(server.run(*common, "--format", "json").stdout)
            said = server.run(*common, "--format", "xlsx", "--out", path).stderr
            digest = said.split()[-1]
            assert report["digest"] == f"sha256:{digest}", f"{name}: {report['digest']}, {said}"
            check_workbook(path, report, declared, digest)
    server.settings = before
