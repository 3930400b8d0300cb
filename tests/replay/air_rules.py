"""VN_AQI, averages and completeness of hourly stations, computed from the text of Decision 1459/QĐ-TCMT and QCVN 05:2023 in exact
fractions, with nothing of the product's own. Stamps are ends of hours; the day runs from 01:00 to 24:00 local time."""

from fractions import Fraction
from math import floor
from pathlib import Path

import pandas

PM = ["PM2.5", "PM10"]
GASES = ["O3", "NO2", "SO2", "CO"]
ORDER = ["PM2.5", "PM10", "O3", "NO2", "SO2", "CO"]
INDEX = [0, 50, 100, 150, 200, 300, 400, 500]
STEPS = {
    "O3_1h": [0, 160, 200, 300, 400, 800, 1000, 1200],
    "O3_8h": [0, 100, 120, 170, 210, 400],
    "CO": [0, 10000, 30000, 45000, 60000, 90000, 120000, 150000],
    "SO2": [0, 125, 350, 550, 800, 1600, 2100, 2630],
    "NO2": [0, 100, 200, 700, 1200, 2350, 3100, 3850],
    "PM10": [0, 50, 150, 250, 350, 420, 500, 600],
    "PM2.5": [0, 25, 50, 80, 150, 250, 350, 500],
}


def read(file: Path) -> pandas.DataFrame:
    raw = pandas.read_csv(file, dtype=str, keep_default_na=False)
    raw["stamp"] = pandas.to_datetime(raw[["year", "month", "day", "hour"]].astype(int))
    for name in ORDER:
        raw[name] = [None if text == "NA" else Fraction(text) for text in raw[name]]
    return raw.set_index("stamp")[["station", *ORDER]]


def sub_index(column: str, value):
    if value is None:
        return None
    steps = STEPS[column]
    if value >= steps[-1]:
        return Fraction(500) if len(steps) == 8 else (Fraction(300) if value == steps[-1] else None)
    for at in range(1, len(steps)):
        if value <= steps[at]:
            low, high = steps[at - 1], steps[at]
            return Fraction(INDEX[at] - INDEX[at - 1], high - low) * (value - low) + INDEX[at - 1]


def nowcast(newest_first: list):
    """(literal, divided by the weights), or None where fewer than two of the newest three are there."""
    if sum(value is not None for value in newest_first[:3]) < 2:
        return None, None
    known = [(i, value) for i, value in enumerate(newest_first) if value is not None]
    least, most = min(v for _, v in known), max(v for _, v in known)
    if most == 0:
        return Fraction(0), Fraction(0)
    w = least / most
    if 2 * w > 1:
        value = sum(w**i * v for i, v in known) / sum(w**i for i, _ in known)
        return value, value
    half = Fraction(1, 2)
    literal = sum(half ** (i + 1) * v for i, v in known)
    return literal, literal / sum(half ** (i + 1) for i, _ in known)


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


def index_of(subs: dict):
    known = [(name, subs[name]) for name in ORDER if subs.get(name) is not None]
    best = max(value for _, value in known)
    return half_up(best), next(name for name, value in known if value == best)


def hourly(rows: pandas.DataFrame) -> pandas.DataFrame:
    out = []
    columns = {name: list(rows[name]) for name in ORDER}
    for at, stamp in enumerate(rows.index):
        row = {"stamp": stamp}
        newest_first = lambda name: [columns[name][at - i] if at >= i else None for i in range(12)]
        subs, norms = {}, {}
        for name in PM:
            literal, norm = nowcast(newest_first(name))
            row[f"{name}_nowcast"], row[f"{name}_nowcast_norm"] = literal, norm
            subs[name], norms[name] = sub_index(name, literal), sub_index(name, norm)
        for name in GASES:
            subs[name] = norms[name] = sub_index("O3_1h" if name == "O3" else name, columns[name][at])
        row |= {f"aqi_{name}": subs[name] for name in ORDER}
        if subs["PM2.5"] is None and subs["PM10"] is None:
            nothing = all(columns[name][at] is None for name in ORDER)
            row["reason"] = "no_data" if nothing else "no_pm_nowcast"
            row["aqi"] = row["parameter"] = row["aqi_norm"] = None
        else:
            row["aqi"], row["parameter"] = index_of(subs)
            row["aqi_norm"], row["parameter_norm"] = index_of(norms)
        out.append(row)
    return pandas.DataFrame(out)


def daily(rows: pandas.DataFrame) -> pandas.DataFrame:
    labels = (rows.index - pandas.Timedelta("1h")).normalize()
    o3 = list(rows["O3"])
    windows = []
    for at in range(len(rows)):
        known = [v for v in o3[max(0, at - 7) : at + 1] if v is not None]
        windows.append((len(known), sum(known) / len(known) if known else None))
    out = []
    frame = rows.assign(label=labels, position=range(len(rows)))
    for label, group in frame.groupby("label", sort=True):
        row = {"day": label}
        known = {name: [v for v in group[name] if v is not None] for name in ORDER}
        of_day = [windows[at] for at in group["position"]]
        for rule, hours, of_window, of_windows in [("any", 1, 1, 1), ("75", 18, 6, 18)]:
            subs = {}
            for name in PM:
                mean = sum(known[name]) / len(known[name]) if len(known[name]) >= hours else None
                row[f"{name}_24h_{rule}"] = mean
                subs[name] = sub_index(name, mean)
            for name in ["NO2", "SO2", "CO"]:
                most = max(known[name]) if len(known[name]) >= hours else None
                row[f"{name}_{rule}"] = most
                subs[name] = sub_index(name, most)
            one = max(known["O3"]) if len(known["O3"]) >= hours else None
            enough = [mean for count, mean in of_day if count >= of_window]
            eight = max(enough) if len(enough) >= of_windows else None
            row[f"O3_1h_{rule}"], row[f"O3_8h_{rule}"] = one, eight
            both = [sub_index("O3_1h", one), sub_index("O3_8h", eight) if eight is not None and eight <= 400 else None]
            both = [value for value in both if value is not None]
            subs["O3"] = max(both) if both else None
            row |= {f"aqi_{name}_{rule}": subs[name] for name in ORDER}
            if subs["PM2.5"] is not None or subs["PM10"] is not None:
                row[f"aqi_{rule}"], row[f"parameter_{rule}"] = index_of(subs)
                row[f"reason_{rule}"] = None
            else:
                row[f"aqi_{rule}"] = row[f"parameter_{rule}"] = None
                if not any(known.values()):
                    reason = "no_data"
                elif not known["PM2.5"] and not known["PM10"]:
                    reason = "no_pm"
                else:
                    reason = "too_few_hours"
                row[f"reason_{rule}"] = reason
        out.append(row)
    return pandas.DataFrame(out)
