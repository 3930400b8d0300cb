"""Frames and messages without a server: they are those of docs/protocol.md."""

import re
import unittest

from cases import REPOSITORY, production

from zonelake import Refused, wire
from zonelake.batches import InForce, frames, from_arrow, from_lines, without_rows

DOCUMENT = (REPOSITORY / "docs" / "protocol.md").read_text()


def example(name: str) -> bytes:
    """The bytes of an example of the document."""
    block = re.search(rf"```hex {name}\n(.*?)```", DOCUMENT, re.S)[1]
    return bytes.fromhex("".join(line.partition("#")[0] for line in block.splitlines()))


def split(content: bytes):
    """Frames as (type, body)."""
    while content:
        kind, length = wire.read_header(content[: wire.HEADER_BYTES])
        yield kind, content[wire.HEADER_BYTES : wire.HEADER_BYTES + length]
        content = content[wire.HEADER_BYTES + length :]


class Wire(unittest.TestCase):
    def test_frames_are_those_of_the_document(self):
        opening = wire.encode((2, "zl_x"), (3, "p"), (4, 1), (5, "energy"), (6, 2), (7, 1))
        self.assertEqual(wire.frame(wire.OPEN, opening), example("open"))
        line = b"energy,device=m1 active_energy=1.5 1735689600000000000\n"
        self.assertEqual(frames(300, from_lines(line), InForce()), example("batch-line"))

    def test_answers_of_the_document_are_read(self):
        [(kind, body)] = split(example("opened"))
        opened = wire.read_opened(kind, body)
        self.assertEqual((opened.last_number, opened.frame_bytes_max, opened.batch_rows_max), (299, 16 << 20, 131_072))
        self.assertEqual((opened.server_time_us, opened.unacked_bytes_max), (1_735_689_600_000_000, 33_554_432))
        [(kind, body)] = split(example("ack"))
        ack = wire.read_ack(kind, body)
        self.assertEqual((ack.number, ack.rows, ack.readings, ack.rejected_readings), (302, 2, 1, 1))
        self.assertEqual(ack.rejections, (wire.Rejection(300, "out_of_range", 1, "row 0: x"),))
        [(kind, body)] = split(example("refused"))
        with self.assertRaises(Refused) as caught:
            wire.read_ack(kind, body)
        refused = caught.exception
        self.assertEqual((refused.code, refused.number, refused.last_number, refused.retry_after_ms), (15, 301, 300, 5_000))
        self.assertEqual(str(refused), "the server refuses batch 301: the disk is full (UNAVAILABLE)")

    def test_the_row_of_the_document_is_what_arrow_writes(self):
        import pyarrow as pa

        rows = pa.record_batch(
            {
                "time": pa.array([1_735_689_600_000_000], pa.timestamp("us", "UTC")),
                "device": pa.array(["m1"]).dictionary_encode(),
                "active_energy": pa.array([1.5]),
            }
        )
        expected = example("arrow-schema") + example("arrow-dictionary") + example("arrow-batch")
        self.assertEqual([kind for kind, _ in split(expected)], [wire.SCHEMA, wire.DICTIONARY, wire.BATCH])
        self.assertEqual(frames(1, from_arrow(rows), InForce()), expected)

    def test_messages_read_back(self):
        fields = {1: [0], 2: [b"zl_\xc3\xa9"], 3: [127, 128, 2**63], 15: [b""], 16: [2**64 - 1]}
        message = wire.encode(*((number, value) for number, values in fields.items() for value in values))
        self.assertEqual(wire.decode(message), fields)

    def test_a_message_that_is_cut_is_an_error_and_no_shorter_message(self):
        message = wire.encode((1, 300), (2, b"content"), (3, 2**40))
        whole = wire.decode(message)
        for end in range(1, len(message)):
            try:
                self.assertNotEqual(wire.decode(message[:end]), whole)
            except wire.ProtocolError as error:
                self.assertIn("ends within", str(error))

    def test_a_length_that_no_answer_has_is_refused_before_it_is_read(self):
        for length in (0, (4 << 20) + 1, 2**32 - 1):
            with self.assertRaises(wire.ProtocolError):
                wire.read_header(length.to_bytes(4, "little") + b"\x07")

    def test_schema_and_dictionaries_go_out_when_they_change(self):
        def kinds(content):
            return [kind for kind, _ in split(content)]

        in_force = InForce()
        first, *_, last = map(from_arrow, production(60, 4))
        whole = [wire.SCHEMA, wire.DICTIONARY, wire.BATCH]
        self.assertEqual(kinds(frames(1, first, in_force)), whole)
        self.assertEqual(kinds(frames(2, first, in_force)), [wire.BATCH])
        self.assertEqual(kinds(frames(3, last, in_force)), [wire.DICTIONARY, wire.BATCH])
        self.assertEqual(kinds(frames(4, without_rows(last), in_force)), [wire.SCHEMA, wire.BATCH])
        self.assertEqual(kinds(frames(5, last, in_force)), whole, "a schema forgets the dictionaries")


if __name__ == "__main__":
    unittest.main()
