pub(crate) mod array;
pub(crate) mod column;
pub(crate) mod datetime;
pub(crate) mod numeric;
pub(crate) mod types;
