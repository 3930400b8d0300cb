pub(crate) mod cancel;
pub(crate) mod messages;
pub(crate) mod scram;
pub(crate) mod wire;
