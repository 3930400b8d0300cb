//! One sorted Parquet file: sort, encode, statistics, verify.
