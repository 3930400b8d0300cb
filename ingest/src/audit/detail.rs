//! The JSON object of an entry.

use serde_json::{Map, Value};

/// The detail with one more member.
pub(crate) fn with_member(detail: Option<String>, name: &str, value: Value) -> Option<String> {
    let mut members = match detail.as_deref().map(serde_json::from_str::<Value>) {
        Some(Ok(Value::Object(members))) => members,
        Some(_) => Map::from_iter([("text".to_owned(), Value::from(detail.unwrap_or_default()))]),
        None => Map::new(),
    };
    members.insert(name.to_owned(), value);
    Some(Value::Object(members).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added_to_whatever_is_there() {
        assert_eq!(with_member(None, "count", 3.into()).as_deref(), Some(r#"{"count":3}"#));
        let more = with_member(Some(r#"{"sql":"select 1"}"#.into()), "count", 3.into());
        assert_eq!(more.as_deref(), Some(r#"{"count":3,"sql":"select 1"}"#));
        assert_eq!(with_member(Some("x".into()), "n", 1.into()).as_deref(), Some(r#"{"n":1,"text":"x"}"#));
    }
}
