//! `pg_get_keywords()`: the keywords of the language, which tools highlight and quote.

use datafusion::sql::sqlparser::keywords::{ALL_KEYWORDS, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS};

use crate::catalog::relations::columns::{NamedColumn, texts};

/// Columns of all keywords.
pub(crate) fn keywords() -> Vec<NamedColumn> {
    let reserved: Vec<String> = RESERVED_FOR_COLUMN_ALIAS
        .iter()
        .chain(RESERVED_FOR_TABLE_ALIAS)
        .map(|word| format!("{word:?}").to_lowercase())
        .collect();
    let words: Vec<String> = ALL_KEYWORDS.iter().map(|word| word.to_lowercase()).collect();
    let is_reserved: Vec<bool> = words.iter().map(|word| reserved.contains(word)).collect();
    let described = |is_reserved: &bool| Some(if *is_reserved { "reserved" } else { "unreserved" });
    vec![
        texts("word", words.iter().map(|word| Some(word.as_str()))),
        texts("catcode", is_reserved.iter().map(|is_reserved| Some(if *is_reserved { "R" } else { "U" }))),
        texts("catdesc", is_reserved.iter().map(described)),
    ]
}
