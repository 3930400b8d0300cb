pub(crate) mod connection;
pub(crate) mod execute;
pub(crate) mod extended;
pub(crate) mod startup;
pub(crate) mod transaction;
pub(crate) mod variables;
