"""Two days of a zone that end now, in all six tables, with what an agency and a plant know of its devices: small, and such that each view and each
panel has something to say."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from rows import us
from server import ZONE, Server

HOURS = 48
# Rows of the reference tables behind province and zone.
KNOWN = {
    "stations": [
        "air,ambient,Asia/Ho_Chi_Minh,3600,,,,,,,,,,2000-01-01,,",
        "works,water,Asia/Ho_Chi_Minh,3600,QCVN 40:2011/BTNMT,A,existing,0.9,1.1,,,,,2000-01-01,,",
        "works,stack,Asia/Ho_Chi_Minh,3600,QCVN 19:2009/BTNMT,B,existing,,,1,0.8,,,2000-01-01,,",
        "works,noise,Asia/Ho_Chi_Minh,3600,,,,,,,,,ordinary,2000-01-01,,",
    ],
    "meters": ["meter,works,production,22-110kV,old,Asia/Ho_Chi_Minh,900,2000-01-01,,"],
    "production_lines": [
        "press,line-1,1,shifts,,Asia/Ho_Chi_Minh,600,60,,2000-01-01,,",
        "oven,line-1,2,shifts,,Asia/Ho_Chi_Minh,600,60,,2000-01-01,,",
    ],
    "ideal_cycle_times": ["press,,5,2000-01-01,,", "oven,,5,2000-01-01,,"],
    "shift_calendars": [
        f"shifts,{shift},{weekday},{hours},2000-01-01,,"
        for weekday in range(1, 8)
        for shift, hours in [("A", "06:00,14:00"), ("B", "14:00,22:00"), ("C", "22:00,06:00")]
    ],
    "line_meters": ["press,meter,2000-01-01,,"],
    "reporting_intervals": [
        "panel,fire_panel,600,1500,2000-01-01,,",
        "truck,tracker,600,1500,2000-01-01,,",
        "crane,tracker,600,1500,2000-01-01,,",
        "cell-7,cell,600,1500,2000-01-01,,",
    ],
}
HARBOUR = {"type": "Polygon", "coordinates": [[[106.40, 18.10], [106.41, 18.10], [106.41, 18.11], [106.40, 18.11], [106.40, 18.10]]]}


def fields(values: dict) -> str:
    """Fields of line protocol."""
    text = {True: "true", False: "false"}
    cells = (
        f"{name}={text[value] if isinstance(value, bool) else json.dumps(value) if isinstance(value, str) else f'{value}i' if isinstance(value, int) else value}"
        for name, value in values.items()
    )
    return ",".join(cells)


def environment(hour: int):
    pm = 40.0 + hour % 24
    yield "air", {"pm2_5": pm, "pm10": pm * 1.5, "o3": 60.0 + hour % 12, "no2": 30.0, "so2": 10.0, "co": 700.0, "temperature": 25.0}
    yield "works", {"cod": 70.0 + hour % 10, "ph": 7.2, "stack_dust": 150.0 + hour % 20, "stack_o2": 9.0, "stack_flow": 9000.0, "noise": 60.0}


def production(step: int):
    for device, wait in [("press", "blocked"), ("oven", "starved")]:
        state = "breakdown" if step % 60 == 7 else wait if step % (9 if device == "press" else 5) == 3 else "running"
        pieces = step % 200 * 100
        alarm = {"alarm": "E7"} if state == "breakdown" else {}
        yield device, {"state": state, "count_total": pieces, "count_good": pieces - pieces // 50} | alarm


def network(step: int):
    operator = ["Viettel", "VNPT"][step % 2]
    common = {"operator": operator, "network_mode": "5G", "state": "D"}
    yield "phone", common | {
        "dl_bitrate": 90000.0 + step % 50 * 1000,
        "rsrp": -75.0 - step % 40,
        "ping_avg": 15.0 + step % 20,
        "jitter": 2.0,
        "access_attempts": 50,
        "access_failures": step % 3,
    }
    yield "cell-7", {"operator": "Viettel", "network_mode": "5G", "cell_id": 7, "availability": 99.5 - step % 2}


def security(step: int):
    yield "panel", {"event": "heartbeat", "fault": False}
    number, at = divmod(step, 24)
    states = {0: "detected", 1: "handling", 3: "confirmed", 9: "closed"}
    if at in states and (number % 5 != 4 or at == 0):
        event, severity = [("intrusion", "high"), ("fire_alarm", "critical"), ("wrong_way", "medium")][number % 3]
        who = {} if at == 0 else {"actor": "guard"}
        yield "desk", {"event_id": f"e{number}", "event": event, "severity": severity, "state": states[at], "location": "gate 1"} | who


def assets(step: int):
    latitude = 18.095 + step % 12 / 1000
    yield "truck", {"latitude": latitude, "longitude": 106.405, "status": "in_use" if step % 20 < 12 else "idle", "asset_class": "truck", "battery": 80.0}
    if step % 12 in (2, 9):
        way, gate = ("gate_in", "north") if step % 12 == 2 else ("gate_out", "south")
        yield "gate", {"event": way, "gate": gate, "plate_hash": "a1b2", "asset_class": "truck"}
    if step < 100:
        yield "crane", {"status": "idle", "asset_class": "crane"}


def lines(end: datetime):
    """Line protocol of all rows: stations each hour, meters each quarter of an hour, all others each ten minutes."""

    def row(table: str, device: str, values: dict, time: datetime) -> str:
        return f"{table},device={device} {fields(values)} {us(time)}\n"

    start = end - timedelta(hours=HOURS)
    for hour in range(HOURS + 1):
        yield from (row("environment", device, values, start + timedelta(hours=hour)) for device, values in environment(hour))
    for quarter in range(HOURS * 4 + 1):
        values = {"active_energy": 80.0 + quarter % 16, "reactive_energy_lagging": 45.0, "reactive_energy_leading": 0.0, "co2": 0.04}
        yield row("energy", "meter", values, start + timedelta(minutes=15 * quarter))
    for step in range(HOURS * 6 + 1):
        for table, rows in [("production", production), ("network", network), ("security", security), ("assets", assets)]:
            yield from (row(table, device, values, start + timedelta(minutes=10 * step, seconds=n)) for n, (device, values) in enumerate(rows(step)))


def bring(server: Server):
    """Brings all rows into a server, and what is known of the devices."""
    token = server.add_gateway("plausible")
    end = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    server.write(token, "".join(lines(end)))
    polygon = json.dumps(HARBOUR).replace('"', '""')
    known = KNOWN | {"geofences": [f'harbour,Cảng,Harbour,"{polygon}",50,1200,2000-01-01,,']}
    for table, rows in known.items():
        header = server.run("reference", "export", table).stdout.splitlines()[0]
        file = Path(server.folder.name) / f"{table}.csv"
        file.write_text("\n".join([header, *(f"ha-tinh,{ZONE},{row}" for row in rows)]) + "\n")
        server.run("reference", "import", table, file)
