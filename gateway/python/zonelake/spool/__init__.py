"""Batches on disk until the server has them: the spool of store and forward.

The files are those of the spool of the Rust gateway, byte for byte, so that either can go on with what the other has left
(docs/decisions/0055):

- `folder`: whose spool a folder is, and the lock of the process that forwards from it
- `format`: the bytes of a segment and of its blocks
- `segment`: files of segments: found, scanned up to the last whole block, read and made
- `queue`: one lane: its segments, of which the last is written and the first is released
- `cursor`: reading a lane from a number on, while batches are appended and earlier segments are released
"""
