pub(crate) mod json;
pub(crate) mod like_escape;
pub(crate) mod templates;
pub(crate) mod text_format;
