"""Time of use, demand, power factor and QCVN 126, computed from the texts of the circulars and of the regulation with pandas and decimals, with
nothing of the product's own. A stamp is the end of its quarter-hour."""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, getcontext
from pathlib import Path

import pandas

getcontext().prec = 40
# Circular 16/2014/TT-BCT and Decision 963/QĐ-BCT: minutes of the day, on days from Monday to Saturday; the rest is normal.
PEAK = {"old": [(570, 690), (1020, 1200)], "new": [(1050, 1350)]}
# Every day.
OFF_PEAK = {"old": [(0, 240), (1320, 1440)], "new": [(0, 360)]}
# Decision 1279/QĐ-BCT, production, 22 kV to 110 kV, VND/kWh before VAT.
PRICES = {"peak": 3398, "normal": 1833, "offpeak": 1190}


def read_meter(file: Path) -> pandas.DataFrame:
    raw = pandas.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    end = pandas.to_datetime(raw["date"], format="%d/%m/%Y %H:%M")
    end += pandas.to_timedelta(raw["date"].str.endswith(" 00:00").astype(int), unit="D")
    rows = pandas.DataFrame({"end": end, "start": end - pandas.Timedelta("15min")})
    rows["kwh"] = raw["Usage_kWh"].map(Decimal)
    rows["lagging"] = raw["Lagging_Current_Reactive_Power_kVarh"].map(Decimal)
    rows["leading"] = raw["Leading_Current_Reactive_Power_kVarh"].map(Decimal)
    rows["month"] = rows["start"].dt.to_period("M").dt.start_time
    return rows


def tariff(schedule: str, start: pandas.Timestamp) -> str:
    minute = start.hour * 60 + start.minute
    within = lambda windows: any(first <= minute < last for first, last in windows)
    if within(OFF_PEAK[schedule]):
        return "offpeak"
    return "peak" if start.dayofweek != 6 and within(PEAK[schedule]) else "normal"


def energy_use(rows: pandas.DataFrame) -> dict:
    """kWh and cost by day, schedule and tariff."""
    found = {}
    for schedule in PEAK:
        named = rows["start"].map(lambda start: tariff(schedule, start))
        for (day, name), group in rows.groupby([rows["start"].dt.normalize(), named]):
            kwh = sum(group["kwh"])
            found[day.date(), schedule, name] = (kwh, kwh * PRICES[name])
    return found


def demand(rows: pandas.DataFrame) -> dict:
    """By month: kWh, quarter-hour peak and its end, half-hour of the clock and its beginning, sliding half-hour."""
    found = {}
    kw = rows["kwh"] * 4
    halves = rows.groupby(rows["start"].dt.floor("30min"))["kwh"]
    of_clock = pandas.Series({start: sum(group) * 2 for start, group in halves if len(group) == 2})
    follows = rows["end"].diff() == pandas.Timedelta("15min")
    sliding = (rows["kwh"] + rows["kwh"].shift(1)) * 2
    for month, group in rows.groupby("month"):
        peak = max(kw[group.index])
        clock = of_clock[of_clock.index.to_period("M").start_time == month]
        slid = sliding[group.index][follows[group.index]]
        found[month.date()] = {
            "active_kwh": sum(group["kwh"]),
            "peak_15_kw": peak,
            "peak_15_at": next(group["end"][at] for at in group.index if kw[at] == peak),
            "peak_30_kw": max(clock),
            "peak_30_at": next(start for start, value in clock.items() if value == max(clock)),
            "peak_30_sliding_kw": max(slid),
        }
    return found


def surcharge_table() -> dict:
    """Circular 15/2014/TT-BCT: hundredths of cos phi and percent, (0.9 / cos phi - 1) * 100 to two decimals, 52.54 below 0.60."""
    table = {hundredths: Decimal(0) for hundredths in range(90, 101)}
    for hundredths in range(60, 90):
        percent = (Decimal(90) / hundredths - 1) * 100
        table[hundredths] = percent.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return table | {hundredths: Decimal("52.54") for hundredths in range(60)}


def power_factor(rows: pandas.DataFrame) -> dict:
    table, found = surcharge_table(), {}
    for month, group in rows.groupby("month"):
        active, lagging, leading = (sum(group[name]) for name in ["kwh", "lagging", "leading"])
        cos = active / (active * active + lagging * lagging).sqrt()
        net = active / (active * active + (lagging - leading) ** 2).sqrt()
        rounded = int((cos * 100).quantize(Decimal(1), ROUND_HALF_UP))
        cut = int((cos * 100).quantize(Decimal(1), ROUND_FLOOR))
        formula = Decimal(0) if cos >= Decimal("0.9") else (Decimal("0.9") / cos - 1) * 100
        found[month.date()] = (cos, rounded, table[rounded], table[cut], formula, net)
    return found


def network_quality(files: list[Path]) -> dict:
    """By operator and month: rows of mode 5G, samples, mean download, share, pings, mean ping, verdict as of the criteria."""
    raw = pandas.concat([pandas.read_csv(file, dtype=str, keep_default_na=False) for file in files])
    raw = raw[raw["NetworkMode"] == "5G"]
    # The table keeps times in UTC; the tests are Irish winter time, and the month is that of Hà Tĩnh.
    local = pandas.to_datetime(raw["Timestamp"], format="%Y.%m.%d_%H.%M.%S") + pandas.Timedelta("7h")
    found = {}
    for (operator, month), group in raw.groupby(["Operatorname", local.dt.to_period("M").dt.start_time]):
        samples = group[group["State"].isin(["D", "VD"]) & ~group["DL_bitrate"].isin(["", "-"])]
        bitrates = [Decimal(text) / 1000 for text in samples["DL_bitrate"]]
        pings = [Decimal(text) for text in samples["PINGAVG"] if text not in ("", "-")]
        mean = sum(bitrates) / len(bitrates)
        share = Decimal(100 * sum(bitrate >= 30 for bitrate in bitrates)) / len(bitrates)
        latency = sum(pings) / len(pings) if pings else None
        if len(samples) < 1500:
            verdict = "not enough samples"
        elif mean < 100 or share < 95 or (latency is not None and latency > 50):
            verdict = "fail"
        else:
            verdict = "not fully measured"
        found[operator, month.date()] = (len(group), len(samples), mean, share, len(pings), latency, verdict)
    return found
