"""The spool on disk: nothing that was taken is lost or takes another number, through crashes, power losses and damage."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from cases import REPOSITORY

from zonelake import SpoolBroken, SpoolError, SpoolFull, SpoolInUse
from zonelake.batches import EncodedBatch, InForce, from_lines
from zonelake.forward.options import ForwardOptions
from zonelake.forward.store import Store
from zonelake.spool import folder, format, queue, segment
from zonelake.spool.cursor import Cursor, Gone
from zonelake.spool.queue import Queue
from zonelake.wire import Encoding, Lane

EPOCH = 3
SHARED = REPOSITORY / "gateway" / "tests" / "fixtures" / "spool" / "00000000000000000001.spool"


def text(number: int) -> bytes:
    return b"line %d " % number + b"x" * 80


def append(lane: Queue, first: int, last: int):
    for number in range(first, last + 1):
        assert lane.append(from_lines(text(number))) == number, number


def read(lane: Queue, first: int = 1):
    """The numbers that a cursor finds, 0 for one that is gone, and how many are lost."""
    cursor, found = Cursor(lane, first), []
    while (batch := cursor.read()) is not None:
        number, content = batch
        if not isinstance(content, Gone):
            assert content.payload == text(number), (number, content)
        found.append(0 if isinstance(content, Gone) else number)
    cursor.close()
    return found, cursor.lost


class SpoolCase(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="zonelake-spool-")
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name) / "live"

    def open(self) -> Queue:
        lane = Queue(self.folder, EPOCH, 1_000)
        self.addCleanup(lane.close)
        return lane

    def segments(self):
        return sorted(self.folder.glob("*.spool"))


class Lanes(SpoolCase):
    def test_batches_are_there_after_a_restart_with_their_numbers_and_from_any_number_on(self):
        append(self.open(), 1, 40)
        append(self.open(), 41, 50)
        self.assertEqual(read(self.open()), (list(range(1, 51)), 0))
        self.assertEqual(read(self.open(), 33), (list(range(33, 51)), 0))

    def test_acknowledged_segments_go_and_the_numbers_go_on_behind_them_even_when_all_are_acknowledged(self):
        lane = self.open()
        append(lane, 1, 40)
        whole = lane.bytes
        lane.release(20)
        self.assertLess(lane.bytes, whole * 2 // 3)
        self.assertEqual(read(lane, 21), (list(range(21, 41)), 0))
        lane.release(40)
        self.assertLessEqual(lane.bytes, 1_000)
        lane = self.open()
        self.assertEqual((lane.acknowledged, lane.last_number), (40, 40))
        append(lane, 41, 41)

    def test_what_a_crash_left_of_a_batch_is_cut_off_and_its_number_is_given_again(self):
        for cut in (1, 8, 40, 100):
            with self.subTest(cut):
                shutil.rmtree(self.folder, ignore_errors=True)
                append(self.open(), 1, 5)
                os.truncate(self.segments()[-1], self.segments()[-1].stat().st_size - cut)
                lane = self.open()
                self.assertEqual(lane.last_number, 4)
                append(lane, 5, 6)
                self.assertEqual(read(lane), ([1, 2, 3, 4, 5, 6], 0))

    def test_a_segment_whose_header_was_being_written_held_nothing(self):
        append(self.open(), 1, 5)
        (self.folder / f"{6:020}.spool").write_bytes(b"ZLSPO")
        lane = self.open()
        append(lane, 6, 7)
        self.assertEqual(read(lane), (list(range(1, 8)), 0))

    def test_damage_is_told_from_a_torn_tail_and_set_apart_and_the_rest_stays_readable(self):
        places = ((format.HEADER_BYTES, 0), (format.HEADER_BYTES + 30, 0), (format.HEADER_BYTES + 140, 1))
        for at, whole in places:
            for which, last in ((0, 5), (0, 20), (1, 20), (2, 20)):
                with self.subTest(at=at, which=which, last=last):
                    shutil.rmtree(self.folder, ignore_errors=True)
                    append(self.open(), 1, last)
                    damaged = self.segments()[which]
                    lost_from = int(damaged.stem) + whole
                    behind = int(self.segments()[which + 1].stem) if last == 20 and which < 2 else last + 1
                    content = bytearray(damaged.read_bytes())
                    content[at] ^= 0x40
                    damaged.write_bytes(content)
                    lane = self.open()
                    self.assertEqual(lane.last_number, last, "its numbers are not given again")
                    expected = [0 if lost_from <= number < behind else number for number in range(1, last + 1)]
                    with self.assertLogs("zonelake", "ERROR"):
                        self.assertEqual(read(lane), (expected, behind - lost_from))
                    self.assertTrue(damaged.with_suffix(".damaged").exists())
                    # What stands before it is read again after a broken link, and after a restart; nothing more is lost.
                    gone = [0 if int(damaged.stem) <= number < behind else number for number in range(1, last + 1)]
                    self.assertEqual(read(lane), (gone, 0))
                    append(lane, last + 1, last + 2)
                    lane = self.open()
                    self.assertEqual(read(lane), ([*gone, last + 1, last + 2], 0))
                    lane.release(last)
                    self.assertEqual(read(lane, last + 1), ([last + 1, last + 2], 0))

    def test_the_oldest_segment_can_be_given_up_and_its_numbers_are_known_to_be_gone(self):
        lane = self.open()
        append(lane, 1, 20)
        dropped = lane.drop_oldest()
        self.assertEqual(read(lane), ([0] * dropped + list(range(dropped + 1, 21)), 0))
        while lane.drop_oldest() is not None:
            pass
        self.assertEqual(lane.last_number, 20, "the last one stays, with the numbers")

    def test_a_disk_that_is_full_takes_no_batch_and_takes_it_when_there_is_room(self):
        lane = self.open()
        append(lane, 1, 3)
        full = OSError(errno.ENOSPC, "no space")

        def half(descriptor, content, offset):
            os.pwrite(descriptor, content[: len(content) // 2], offset)
            raise full

        with mock.patch.object(queue, "write_at", half), self.assertRaises(SpoolFull):
            lane.append(from_lines(text(4)))
        append(lane, 4, 4)
        self.assertEqual(read(self.open()), ([1, 2, 3, 4], 0))

    def test_a_sync_that_failed_is_never_believed_later(self):
        lane = self.open()
        append(lane, 1, 3)
        with mock.patch.object(queue, "sync", side_effect=OSError(errno.EIO, "broken disk")):
            self.assertRaises(SpoolBroken, lane.append, from_lines(text(4)))
        self.assertRaises(SpoolBroken, lane.append, from_lines(text(4)))
        append(self.open(), 4, 5)

    def test_no_flipped_bit_and_no_cut_is_taken_for_a_block(self):
        block = format.encode_block(3, EncodedBatch(b"payload", 7, b"s", ((1, b"a"),)), InForce())
        size = format.BLOCK_HEADER_BYTES
        for bit in range(len(block) * 8):
            flipped = bytearray(block)
            flipped[bit // 8] ^= 1 << (bit % 8)
            length = format.body_bytes(bytes(flipped[:size]))
            if length is not None:
                body = bytes(flipped[size : size + length])
                self.assertIsNone(format.decode_block(bytes(flipped[:size]), body, InForce()), f"bit {bit}")
        for end in range(size, len(block)):
            self.assertIsNone(format.decode_block(block[:size], block[size:end], InForce()), f"cut at {end}")

    def test_the_files_are_those_of_the_rust_gateway_byte_for_byte(self):
        batches = [
            EncodedBatch(b"one", 7, b"s", ((1, b"a"), (2, b"b"))),
            EncodedBatch(b"two", 7, b"s", ((1, b"a"), (2, b"b"))),
            EncodedBatch(b"three", 7, b"s", ((1, b"a"), (2, b"c"))),
            EncodedBatch(b"four", 7, b"t", ((1, b"a"),)),
        ]
        lane = self.open()
        for batch in batches:
            lane.append(batch)
        self.assertEqual(self.segments()[0].read_bytes(), SHARED.read_bytes())
        cursor = Cursor(lane, 1)
        self.assertEqual([cursor.read()[1] for _ in batches], batches)
        cursor.close()


class PowerLoss(SpoolCase):
    """What is on a disk after its power was cut: of each file what was synced, under the names that were synced."""

    def setUp(self):
        super().setUp()
        self.contents: dict[int, bytes] = {}
        self.names: dict[Path, dict[str, int]] = {}
        real_sync, real_folder = folder.sync, folder.sync_folder

        def sync(descriptor):
            real_sync(descriptor)
            state = os.fstat(descriptor)
            self.contents[state.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

        def sync_folder(path):
            real_folder(path)
            self.names[path] = {entry.name: entry.stat().st_ino for entry in path.iterdir() if entry.is_file()}

        for module in (folder, segment, queue):
            for name, patched in (("sync", sync), ("sync_folder", sync_folder)):
                if hasattr(module, name):
                    patch = mock.patch.object(module, name, patched)
                    patch.start()
                    self.addCleanup(patch.stop)

    def lose_power(self):
        """The folder as it is found afterwards."""
        left = {name: self.contents.get(inode, b"") for name, inode in self.names.get(self.folder, {}).items()}
        for path in list(self.folder.iterdir()):
            path.unlink()
        self.contents.clear()
        for name, content in left.items():
            (self.folder / name).write_bytes(content)
            self.contents[(self.folder / name).stat().st_ino] = content
        self.names[self.folder] = {path.name: path.stat().st_ino for path in self.folder.iterdir()}

    def test_what_was_taken_is_there_after_a_power_loss_at_any_moment(self):
        lane, released = self.open(), 0
        for step in range(60):
            taken = step + 1
            append(lane, taken, taken)
            if step % 7 == 6:
                released = taken - 3
                lane.release(released)
            if step % 4 == 3:
                self.lose_power()
                lane = self.open()
                self.assertEqual(lane.last_number, taken)
                self.assertEqual(read(lane, released + 1), (list(range(released + 1, taken + 1)), 0))

    def test_what_a_start_has_read_is_there_after_a_power_loss_though_the_process_before_was_killed_at_its_last_step(self):
        lane = self.open()
        append(lane, 1, 40)
        # It is killed between naming the file and syncing the folder.
        with mock.patch.object(folder, "sync_folder", side_effect=KeyboardInterrupt), self.assertRaises(KeyboardInterrupt):
            lane.release(30)
        lane = self.open()
        self.assertEqual(lane.acknowledged, 30)
        self.lose_power()
        self.assertEqual(self.open().acknowledged, 30)

    def test_this_test_would_see_a_missing_sync(self):
        lane = self.open()
        append(lane, 1, 2)
        with mock.patch.object(queue, "sync", lambda descriptor: None):
            append(lane, 3, 3)
        self.lose_power()
        self.assertEqual(self.open().last_number, 2)


class Stores(SpoolCase):
    def store(self, producer="p", encoding=Encoding.LINE, **options) -> Store:
        store = Store(self.folder.parent, producer, "energy", encoding, ForwardOptions(**options))
        self.addCleanup(store.close)
        return store

    def test_a_folder_is_of_one_stream_and_of_one_process(self):
        store = self.store(producer='plc "7" \\ trạm', epoch=5)
        with self.assertRaisesRegex(SpoolInUse, "in use"):
            self.store(producer='plc "7" \\ trạm')
        store.close()
        with self.assertRaisesRegex(SpoolError, "give each stream of batches a folder of its own"):
            self.store(producer="other")
        with self.assertRaisesRegex(SpoolError, "encoding line, not of"):
            self.store(producer='plc "7" \\ trạm', encoding=Encoding.ARROW)
        again = self.store(producer='plc "7" \\ trạm', epoch=9)
        self.assertEqual(again.epoch, 5, "a spool keeps its epoch")

    def test_the_identity_that_the_rust_gateway_writes_is_read(self):
        (self.folder.parent / "spool.toml").write_text(
            'version = 1\nproducer = \'plc "7"\'\ntable = "energy"\nencoding = "line"\nepoch = 1735689600\n'
        )
        self.assertEqual(self.store(producer='plc "7"').epoch, 1_735_689_600)

    def test_a_name_that_no_producer_may_have_is_refused(self):
        for name in ("", "a\nb", "x" * 129, "ă" * 65):
            with self.assertRaisesRegex(ValueError, "1 to 128 bytes"):
                self.store(producer=name)

    def test_batches_go_live_while_that_lane_keeps_up_and_to_the_back_fill_behind_it(self):
        store = self.store(live_bytes_max=1_000)
        lanes = [lane for number in range(20) for lane, _ in store.append([from_lines(text(number))])]
        live = lanes.index(Lane.BACKFILL)
        self.assertIn(live, range(5, 12))
        self.assertEqual(set(lanes[live:]), {Lane.BACKFILL})
        store.lanes[Lane.LIVE].acknowledged = live
        self.assertEqual(store.append([from_lines(text(20))]), [(Lane.LIVE, live + 1)])

    def test_a_spool_that_is_full_refuses_and_says_how_many_rows_it_has_taken(self):
        store = self.store(bytes_max=2_000, segment_bytes=500)
        with self.assertRaisesRegex(SpoolFull, "bytes wait to be sent and 2000 may") as caught:
            store.append([from_lines(text(number)) for number in range(100)])
        taken = store.status().waiting_batches
        self.assertEqual(caught.exception.rows_taken, taken)
        self.assertIn(taken, range(10, 20))

    def test_a_spool_that_is_to_drop_its_oldest_goes_on_and_counts_them(self):
        store = self.store(bytes_max=2_000, segment_bytes=500, drop_oldest=True)
        with self.assertLogs("zonelake", "ERROR"):
            store.append([from_lines(text(number)) for number in range(100)])
        status = store.status()
        self.assertEqual(status.waiting_batches, 100, "their numbers are sent without rows")
        self.assertIn(status.dropped_batches, range(80, 100))
        self.assertLessEqual(status.live.bytes + status.backfill.bytes, 2_000)

    def test_every_batch_that_a_killed_process_was_told_is_taken_is_there(self):
        program = (
            "import sys; from zonelake.forward.store import *; from zonelake.forward.options import ForwardOptions\n"
            "from zonelake.batches import from_lines\n"
            "store = Store(sys.argv[1], 'p', 'energy', wire.Encoding.LINE, ForwardOptions(segment_bytes=5000))\n"
            "while True:\n"
            "    number = sum(lane.queue.last_number for lane in store.lanes.values()) + 1\n"
            "    [(lane, given)] = store.append([from_lines(b'%d ' % number + b'x' * (number % 700))])\n"
            "    print(number, flush=True)\n"
        )
        told = 0
        for round_ in range(4):
            process = subprocess.Popen(
                [sys.executable, "-c", program, str(self.folder.parent)], stdout=subprocess.PIPE, text=True
            )
            for line in process.stdout:
                told = int(line)
                if told >= 60 * (round_ + 1):
                    break
            process.send_signal(signal.SIGKILL)
            told = int((process.stdout.read().split() or [told])[-1])
            process.stdout.close()
            process.wait()
        store = self.store()
        found = []
        for state in store.lanes.values():
            cursor = Cursor(state.queue, 1)
            while (batch := cursor.read()) is not None:
                found.append(int(batch[1].payload.split()[0]))
            cursor.close()
        self.assertEqual(sorted(found)[:told], list(range(1, told + 1)))
        self.assertLessEqual(len(found), told + 1)


if __name__ == "__main__":
    unittest.main()
