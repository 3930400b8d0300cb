"""The views over all recordings, every value compared with programs that were written from the texts of the regulations (air_rules.py,
meter_rules.py, radio_rules.py). By hand, since exact fractions over 210,384 hours take minutes.

    python tests/replay/domain.py [FOLDER OF THE RECORDINGS]

The folder is the argument, or ZONELAKE_RECORDINGS, or ../shared/data beside the repository.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

import air_rules
import meter_rules
import radio_rules
from recordings import all_recordings
from replay import push_all
from server import REPOSITORY, ZONE, Server

compared = 0


def same(what: str, ours, theirs, tolerance: float = 0.0):
    """Compares one value; tolerance is relative, for results that are doubles."""
    global compared
    compared += 1
    if ours is None or theirs is None or isinstance(ours, str):
        assert ours == theirs, f"{what}: the rules say {ours}, SQL says {theirs}"
        return
    near = abs(float(ours) - float(theirs)) <= tolerance * max(1.0, abs(float(ours)))
    assert near, f"{what}: the rules say {ours}, SQL says {theirs}"


def known(value):
    """None for the ways in which pandas says that there is nothing."""
    return None if value is None or value != value else value


def rows(server: Server, sql: str) -> list[dict]:
    return server.sql(sql).to_pylist()


def import_rows(server: Server, table: str, line: str, names: list[str]):
    header = server.run("reference", "export", table).stdout.splitlines()[0]
    file = Path(server.folder.name) / f"{table}.csv"
    file.write_text("\n".join([header, *(line.format(name) for name in names)]) + "\n")
    server.run("reference", "import", table, file)


def compare_air(server: Server, files: list[Path]):
    for file in files:
        recorded = air_rules.read(file)
        station = file.stem
        hours = air_rules.hourly(recorded)
        found = {row["local_hour"]: row for row in rows(server, f"select * from air_quality_hourly where device = '{station}'")}
        assert len(found) == len(hours), f"{station}: {len(hours)} hours, and SQL has {len(found)}"
        for ours in hours.to_dict("records"):
            theirs, what = found[ours["stamp"].to_pydatetime()], f"{station} {ours['stamp']}"
            for name in ["aqi", "parameter", "reason", "aqi_norm", "parameter_norm"]:
                same(f"{what} {name}", known(ours.get(name)), theirs[name])
            for name, column in [("PM2.5", "pm2_5"), ("PM10", "pm10")]:
                for kind in ["nowcast", "nowcast_norm"]:
                    same(f"{what} {name} {kind}", known(ours[f"{name}_{kind}"]), theirs[f"{column}_{kind}"], 1e-14)
            for name in air_rules.ORDER:
                column = f"aqi_{name.lower().replace('.', '_')}"
                same(f"{what} {column}", known(ours[f"aqi_{name}"]), theirs[column], 1e-14)
        days = air_rules.daily(recorded)
        found = {row["day"]: row for row in rows(server, f"select * from air_quality_daily where device = '{station}'")}
        assert len(found) == len(days), f"{station}: {len(days)} days, and SQL has {len(found)}"
        for ours in days.to_dict("records"):
            theirs, what = found[ours["day"].date()], f"{station} {ours['day'].date()}"
            for rule, end in [("75", ""), ("any", "_any")]:
                for name in ["aqi", "parameter", "reason"]:
                    same(f"{what} {name} {rule}", known(ours[f"{name}_{rule}"]), theirs[f"{name}{end}"])
                for name in air_rules.ORDER:
                    column = f"aqi_{name.lower().replace('.', '_')}{end}"
                    same(f"{what} {column}", known(ours[f"aqi_{name}_{rule}"]), theirs[column], 1e-14)
            same(f"{what} o3_max_8h", known(ours["O3_8h_any"]), theirs["o3_max_8h_any"], 1e-14)
        print(f"  {station}: the same ({compared} values compared so far)", flush=True)


def compare_meter(server: Server, file: Path):
    recorded = meter_rules.read_meter(file)
    use = meter_rules.energy_use(recorded)
    found = {(row["day"], row["schedule"], row["tariff"]): row for row in rows(server, "select * from energy_use")}
    assert found.keys() == use.keys(), sorted(found.keys() ^ use.keys())[:5]
    for key, (kwh, cost) in use.items():
        same(f"{key} kWh", kwh, found[key]["active_kwh"], 1e-14)
        same(f"{key} cost", cost, found[key]["cost"], 1e-14)
    months = {row["month"]: row for row in rows(server, "select * from demand")}
    for month, ours in meter_rules.demand(recorded).items():
        theirs = months[month]
        for name in ["active_kwh", "peak_15_kw", "peak_30_kw", "peak_30_sliding_kw"]:
            same(f"{month} {name}", ours[name], theirs[name], 1e-14)
        assert ours["peak_15_at"].to_pydatetime() == (theirs["peak_15_at"] + timedelta(hours=9)).replace(tzinfo=None), month
        assert ours["peak_30_at"].to_pydatetime() == theirs["peak_30_at"], month
    factors = {row["month"]: row for row in rows(server, "select * from power_factor")}
    for month, ours in meter_rules.power_factor(recorded).items():
        theirs = factors[month]
        names = ["cos_phi", "cos_phi_rounded", "surcharge_percent", "surcharge_percent_truncated", "surcharge_percent_formula", "cos_phi_net"]
        for name, value in zip(names, ours):
            same(f"{month} {name}", value / 100 if name == "cos_phi_rounded" else value, theirs[name], 1e-11)
    print(f"  the steel plant: the same ({compared} values compared so far)", flush=True)


def compare_network(server: Server, files: list[Path]):
    found = {(row["operator"], row["month"]): row for row in rows(server, "select * from network_quality")}
    ours = meter_rules.network_quality(files)
    assert found.keys() == ours.keys(), sorted(found.keys() ^ ours.keys())
    names = ["rows_5g", "samples", "mean_download", "share_download_30", "latency_samples", "mean_latency", "verdict_as_of"]
    for key, values in ours.items():
        assert found[key]["verdict"] is None, "the tests are older than the criteria"
        for name, value in zip(names, values):
            same(f"{key} {name}", value, found[key][name], 1e-12)
    raw = radio_rules.read(files)
    coverage = radio_rules.coverage(raw)
    key = ["operator", "network_mode", "day", "class"]
    classes = {tuple(row[name] for name in key): row for row in rows(server, "select * from coverage")}
    assert classes.keys() == coverage.keys(), sorted(classes.keys() ^ coverage.keys(), key=str)[:5]
    for place, values in coverage.items():
        for name, value in zip(["samples", "measured", "not_measured"], values):
            same(f"{place} {name}", value, classes[place][name])
    latency = radio_rules.latency(raw)
    days = {tuple(row[name] for name in key[:3]): row for row in rows(server, "select * from latency where pings > 0")}
    assert days.keys() == latency.keys(), sorted(days.keys() ^ latency.keys())[:5]
    for place, values in latency.items():
        for name, value in zip(["pings", "mean_ms", "p50_ms", "p95_ms", "p99_ms"], values):
            same(f"{place} {name}", value, days[place][name], 1e-12)
    print(f"  the drive tests: the same ({compared} values compared so far)", flush=True)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ZONELAKE_RECORDINGS", REPOSITORY.parent / "shared" / "data"))
    recordings = all_recordings(folder)
    files = {recording.mapping: recording.files for recording in recordings}
    with Server() as server:
        server.start()
        stations = [file.stem for file in files["air"]]
        line = f"ha-tinh,{ZONE},{{}},ambient,Asia/Shanghai,3600,,,,,,,,,,2000-01-01,,"
        import_rows(server, "stations", line, stations)
        line = f"ha-tinh,{ZONE},{{}},plant,production,22-110kV,old,Asia/Seoul,900,2000-01-01,,"
        import_rows(server, "meters", line, ["steel-plant-main-meter"])
        push_all(server, server.add_gateway("recordings"), recordings)
        compare_network(server, files["network"])
        compare_meter(server, files["steel_plant"][0])
        compare_air(server, files["air"])
    print(f"{compared} values are the same")


if __name__ == "__main__":
    main()
