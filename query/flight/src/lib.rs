//! Arrow Flight SQL over the query engine, and bulk ingest through it.
