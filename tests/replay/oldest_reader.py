"""Reads Parquet files with whatever pyarrow this Python has, and writes their rows as an Arrow file for another one to compare.

    python tests/replay/oldest_reader.py FOLDER-OF-THE-TABLE ARROW-FILE PARQUET-FILE...
"""

import sys

import pyarrow.dataset
import pyarrow.feather

folder, target, *files = sys.argv[1:]
dates = pyarrow.dataset.partitioning(flavor="hive")
rows = pyarrow.dataset.dataset(files, format="parquet", partitioning=dates, partition_base_dir=folder)
pyarrow.feather.write_feather(rows.to_table(), target, compression="uncompressed")
