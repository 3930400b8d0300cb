"""Rows of every kind into record batches: the same instants, names and values, or an error that names the column."""

import unittest
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pandas
import polars
import pyarrow as pa

from zonelake import RowsError, blocks, record_batches

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
TIMES = [datetime(2026, 3, 1, 7, minute, tzinfo=HANOI) for minute in range(3)]
UTC_TIMES = [datetime(2026, 3, 1, 0, minute, tzinfo=timezone.utc) for minute in range(3)]
EXPECTED = [
    {"time": UTC_TIMES[0], "device": "m1", "level": 1.5, "pulses": 7},
    {"time": UTC_TIMES[1], "device": "m2", "level": None, "pulses": None},
    {"time": UTC_TIMES[2], "device": "m1", "level": 2.5, "pulses": 2**53 + 1},
]
COLUMNS = {
    "device": ["m1", "m2", "m1"],
    "level": [1.5, None, 2.5],
    "pulses": [7, None, 2**53 + 1],
}


def rows(source, **options):
    """What a server would read."""
    found = []
    for batch in record_batches(source, **options):
        assert batch.schema.field("time").type.tz == "UTC", batch.schema
        assert batch.schema.metadata is None, "metadata would make each schema another one"
        found += batch.to_pylist()
    return found


class Rows(unittest.TestCase):
    def test_every_kind_of_rows_gives_the_same_instants_and_values(self):
        naive = [time.replace(tzinfo=None) for time in TIMES]
        readings = [
            dict(zip(EXPECTED[0], [time, *values], strict=True)) for time, *values in zip(TIMES, *COLUMNS.values(), strict=True)
        ]
        local = [row | {"time": row["time"].replace(tzinfo=None)} for row in readings]
        typed = {**COLUMNS, "pulses": pandas.array(COLUMNS["pulses"], dtype="Int64")}
        frames = {
            "readings": (readings, {}),
            "readings without a zone": (local, {"time_zone": "Asia/Ho_Chi_Minh"}),
            "arrow": (pa.table({"time": pa.array(TIMES, pa.timestamp("us", "Asia/Ho_Chi_Minh")), **COLUMNS}), {}),
            "pandas": (pandas.DataFrame({"time": TIMES, **typed}), {}),
            "pandas by index": (pandas.DataFrame(typed, index=pandas.DatetimeIndex(TIMES)), {}),
            "pandas without a zone": (pandas.DataFrame({"time": naive, **typed}), {"time_zone": "Asia/Ho_Chi_Minh"}),
            "pandas with categories": (pandas.DataFrame({"time": TIMES, **typed}).astype({"device": "category"}), {}),
            "polars": (polars.DataFrame({"time": TIMES, **COLUMNS}), {}),
            "polars without a zone": (polars.DataFrame({"time": naive, **COLUMNS}), {"time_zone": "Asia/Ho_Chi_Minh"}),
            "polars with categories": (polars.DataFrame({"time": TIMES, **COLUMNS}).cast({"device": polars.Categorical}), {}),
        }  # fmt: skip
        for name, (source, options) in frames.items():
            with self.subTest(name):
                self.assertEqual(rows(source, **options), EXPECTED)

    def test_a_nan_of_pandas_is_no_reading(self):
        frame = pandas.DataFrame({"time": TIMES, "device": "m1", "level": [1.5, float("nan"), 2.5]})
        self.assertEqual([row["level"] for row in rows(frame)], [1.5, None, 2.5])

    def test_one_device_can_be_named_for_all_rows(self):
        frame = polars.DataFrame({"time": TIMES, "level": [1.0, 2.0, 3.0]})
        self.assertEqual({row["device"] for row in rows(frame, device="trạm-2")}, {"trạm-2"})
        self.assertEqual(rows({"time": TIMES[0], "level": 1.0}, device="m1")[0]["device"], "m1")

    def test_a_reading_that_the_first_row_has_not_is_kept(self):
        found = rows([{"time": TIMES[0], "device": "a"}, {"time": TIMES[1], "device": "b", "level": 4.0}])
        self.assertEqual([row["level"] for row in found], [None, 4.0])

    def test_times_that_no_zone_is_known_of_are_refused_and_never_guessed(self):
        naive = datetime(2026, 3, 1, 7)
        for source in (
            {"time": naive, "device": "a"},
            pandas.DataFrame({"time": [naive], "device": ["a"]}),
            polars.DataFrame({"time": [naive], "device": ["a"]}),
            pa.table({"time": pa.array([naive]), "device": ["a"]}),
        ):
            with self.assertRaisesRegex(RowsError, "'time' have no zone"):
                list(record_batches(source))
        with self.assertRaisesRegex(RowsError, "with a zone and without"):
            rows([{"time": naive, "device": "a"}, {"time": TIMES[0], "device": "a"}])

    def test_a_local_time_that_exists_twice_or_never_is_refused(self):
        for hour in (datetime(2026, 10, 25, 2, 30), datetime(2026, 3, 29, 2, 30)):
            with self.assertRaisesRegex(RowsError, "not all times of Europe/Berlin"):
                rows({"time": hour, "device": "a"}, time_zone="Europe/Berlin")
        with self.assertRaisesRegex(RowsError, "Nowhere"):
            rows({"time": datetime(2026, 1, 1), "device": "a"}, time_zone="Nowhere/Else")

    def test_what_cannot_be_stored_is_refused_by_the_name_of_its_column(self):
        time, device = {"time": TIMES[:1]}, {"device": ["a"]}
        for source, words in (
            (pa.table(device), "no column 'time'"),
            (pandas.DataFrame(time), "no column 'device'"),
            (pandas.DataFrame(time | device | {"x": [[1, 2]]}), "'x': list"),
            (pandas.DataFrame(time | device | {"x": [{"a": 1}]}), "'x': struct"),
            (polars.DataFrame(time | device | {"x": [None]}), "'x': it has no values"),
            (pandas.DataFrame({"time": TIMES[:2], "device": ["a", "b"], "x": [1, "one"]}), "column 'x' cannot be read"),
            (pandas.DataFrame(time | device | {7: [1.0]}), "column 7 has no text"),
            (pa.table({"time": ["2026-03-01"], **device}), "'time' is string"),
            (object(), "rows of type object"),
        ):
            with self.subTest(words), self.assertRaisesRegex(RowsError, words):
                list(record_batches(source))

    def test_frames_are_cut_by_rows_and_by_bytes_and_the_same_frame_always_the_same(self):
        count = 12_001
        frame = polars.DataFrame(
            {
                "time": [TIMES[0] + timedelta(seconds=second) for second in range(count)],
                "device": [f"m{second % 9}" for second in range(count)],
                "level": [second / 8 for second in range(count)],
            }
        )
        once, again = list(record_batches(frame)), list(record_batches(frame))
        self.assertEqual([batch.num_rows for batch in once], [5_000, 5_000, 2_001])
        self.assertEqual(once, again)
        self.assertEqual(sum(batch.num_rows for batch in record_batches(frame, rows_max=7)), count)
        wide = frame.with_columns(note=polars.lit("x" * 2_000))
        sizes = [batch.nbytes for batch in record_batches(wide)]
        self.assertLess(max(sizes), 2 << 20)
        self.assertEqual(list(record_batches(frame.head(0))), [])

    def test_lines_are_cut_behind_their_ends_and_never_within_a_quoted_text(self):
        lines = b'# "a comment\ne,device=a note="two\nlines \\" and a quote" 1\ne,device=b x=1 2\n\ne,device=c x=2'
        cut = list(blocks(lines, 1))
        self.assertEqual(b"".join(cut), lines)
        self.assertEqual(cut[1], b'e,device=a note="two\nlines \\" and a quote" 1\n')
        self.assertEqual(len(cut), 5)
        self.assertEqual(
            list(blocks("e,device=trạm x=1 1\n" * 3, 2)),
            ["e,device=trạm x=1 1\n".encode() * 2, "e,device=trạm x=1 1\n".encode()],
        )
        self.assertEqual(list(blocks(b"")), [])


if __name__ == "__main__":
    unittest.main()
