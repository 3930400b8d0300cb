//! The durable local object store.
