"""What the recordings say, computed from their CSV files with pandas and nothing of the product's own: local times become
UTC, values are rounded to the resolution that a table declares, and each station's days and months are summed up."""

import tomllib
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pandas

from server import REPOSITORY


@dataclass
class Recording:
    """Files of one kind: which mapping pushes them, and what is in them. The device is given, or the
    column `station` has it. `outside` counts the values that `rows` has found
    out of their range, which the product must have put into the table `rejected`."""

    mapping: str
    table: str
    files: list[Path]
    read: object
    fields: dict[str, str]
    device: str | None
    file_name_field: str | None = None
    outside: int = 0

    def rows(self, file: Path) -> pandas.DataFrame:
        """One row per line of the file: device, time (UTC), and the fields as the table keeps them."""
        raw = self.read(file)
        rows = pandas.DataFrame({"time": raw["time"]})
        rows["device"] = self.device or raw["station"]
        declared = {field["name"]: field for field in declaration(self.table)["field"]}
        for column, name in self.fields.items():
            if column in raw:
                rows[name] = raw[column].map(lambda text, field=declared[name]: kept(text, field))
                self.outside += int(rows[name].isna().sum() - raw[column].isin(MISSING).sum())
        if self.file_name_field:
            rows[self.file_name_field] = file.stem
        return rows


def declaration(table: str) -> dict:
    """The table as its file declares it."""
    return tomllib.loads((REPOSITORY / "schemas" / "tables" / f"{table}.toml").read_text())


MISSING = ["", "NA", "-"]


def kept(text, field: dict):
    """A value as the table keeps it; None where there is no measurement or it cannot be one."""
    if text in MISSING:
        return None
    if field["type"] == "text":
        return text
    if field["type"] == "bigint":
        value = int(Decimal(text))
    elif "decimals" in field:
        value = float(Decimal(repr(float(text))).quantize(Decimal(1).scaleb(-field["decimals"]), ROUND_HALF_UP))
    else:
        value = float(text)
    outside = value < field.get("min", value) or value > field.get("max", value)
    return None if outside else value


def read_air(file: Path) -> pandas.DataFrame:
    """Hourly rows; year, month, day and hour are local time, UTC+8."""
    raw = pandas.read_csv(file, dtype=str, keep_default_na=False)
    parts = raw[["year", "month", "day", "hour"]].astype(int)
    return raw.assign(time=pandas.to_datetime(parts) - pandas.Timedelta(hours=8))


def read_steel_plant(file: Path) -> pandas.DataFrame:
    """Quarter hours; local time, UTC+9; the row of 00:00 closes the day whose date it carries."""
    raw = pandas.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    local = pandas.to_datetime(raw["date"], format="%d/%m/%Y %H:%M")
    closing = raw["date"].str.endswith(" 00:00")
    local = local + pandas.to_timedelta(closing.astype(int), unit="D")
    return raw.assign(time=local - pandas.Timedelta(hours=9))


def read_pump(file: Path) -> pandas.DataFrame:
    """Seconds, taken for UTC."""
    raw = pandas.read_csv(file, dtype=str, keep_default_na=False, sep=";")
    return raw.assign(time=pandas.to_datetime(raw["datetime"], format="%Y-%m-%d %H:%M:%S"))


def read_drive_test(file: Path) -> pandas.DataFrame:
    """Seconds, taken for UTC (Irish winter time); several rows may share one."""
    raw = pandas.read_csv(file, dtype=str, keep_default_na=False)
    return raw.assign(time=pandas.to_datetime(raw["Timestamp"], format="%Y.%m.%d_%H.%M.%S"))


AIR = {
    "PM2.5": "pm2_5",
    "PM10": "pm10",
    "SO2": "so2",
    "NO2": "no2",
    "CO": "co",
    "O3": "o3",
    "TEMP": "temperature",
    "PRES": "pressure",
    "DEWP": "dew_point",
    "RAIN": "rain",
    "wd": "wind_sector",
    "WSPM": "wind_speed",
}
STEEL_PLANT = {
    "Usage_kWh": "active_energy",
    "Lagging_Current_Reactive_Power_kVarh": "reactive_energy_lagging",
    "Leading_Current_Reactive_Power_kVarh": "reactive_energy_leading",
    "CO2(tCO2)": "co2",
    "Lagging_Current_Power_Factor": "power_factor_lagging",
    "Leading_Current_Power_Factor": "power_factor_leading",
    "Load_Type": "load_type",
}
PUMP = {
    "Accelerometer1RMS": "vibration_rms_1",
    "Accelerometer2RMS": "vibration_rms_2",
    "Current": "current",
    "Pressure": "pressure",
    "Temperature": "motor_temperature",
    "Thermocouple": "fluid_temperature",
    "Voltage": "voltage",
    "Volume Flow RateRMS": "flow",
    "anomaly": "anomaly",
    "changepoint": "changepoint",
}
DRIVE_TEST = {
    "Operatorname": "operator",
    "NetworkMode": "network_mode",
    "State": "state",
    "Longitude": "longitude",
    "Latitude": "latitude",
    "Speed": "speed",
    "CellID": "cell_id",
    "RAWCELLID": "raw_cell_id",
    "CELLHEX": "cell_hex",
    "NODEHEX": "node_hex",
    "LACHEX": "lac_hex",
    "RSRP": "rsrp",
    "RSRQ": "rsrq",
    "SNR": "snr",
    "CQI": "cqi",
    "RSSI": "rssi",
    "NRxRSRP": "neighbour_rsrp",
    "NRxRSRQ": "neighbour_rsrq",
    "DL_bitrate": "dl_bitrate",
    "UL_bitrate": "ul_bitrate",
    "PINGAVG": "ping_avg",
    "PINGMIN": "ping_min",
    "PINGMAX": "ping_max",
    "PINGSTDEV": "ping_stdev",
    "PINGLOSS": "ping_loss",
}


def all_recordings(folder: Path) -> list[Recording]:
    """Every recording below a folder."""
    files = lambda pattern: sorted(folder.glob(pattern))
    recordings = [
        Recording("air", "environment", files("air/*.csv"), read_air, AIR, None),
        Recording("steel_plant", "energy", files("energy/*.csv"), read_steel_plant, STEEL_PLANT, "steel-plant-main-meter"),
        Recording("pump", "production", files("production/*.csv"), read_pump, PUMP, "pump-bench"),
        Recording("network", "network", files("network/*.csv"), read_drive_test, DRIVE_TEST, "drive-test-phone", "test_id"),
    ]
    for recording in recordings:
        assert recording.files, f"no files of {recording.mapping} below {folder}"
    return recordings


def summary(rows: pandas.DataFrame, period: str) -> dict:
    """By station and period ("day" or "month", UTC): rows, and per field the count of values, sum, least and greatest."""
    start = rows["time"].dt.floor("D") if period == "day" else rows["time"].dt.to_period("M").dt.start_time
    found = {}
    for (device, since), group in rows.groupby(["device", start], sort=True):
        row = {"rows": len(group)}
        for name in rows.columns.drop(["time", "device"]):
            values = [value for value in group[name] if value is not None and value == value]
            is_text = bool(values) and isinstance(values[0], str)
            row[name] = (
                len(values),
                None if is_text or not values else sum(values),
                min(values, default=None),
                max(values, default=None),
            )
        found[device, str(since.date())] = row
    return found
