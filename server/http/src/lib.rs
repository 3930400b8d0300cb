//! The HTTP interface: listener, operations, SQL, line protocol writes.

pub mod sql;
