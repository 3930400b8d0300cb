//! The PostgreSQL wire protocol over the query engine.
