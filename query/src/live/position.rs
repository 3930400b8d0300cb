//! How far the shards of a table had come: the last LSN of each, as text `0:17,1:5`. A client that gives it back gets what has
//! changed since.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use zonelake_schemas::{Lsn, ShardId};

/// Last LSN of each shard that has rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LivePosition(pub(crate) BTreeMap<ShardId, Lsn>);

impl LivePosition {
    /// True where no shard of `now` is before it: a position of another data folder, or of one that was restored, is ahead.
    pub fn is_within(&self, now: &Self) -> bool {
        self.0.iter().all(|(shard, lsn)| now.0.get(shard).is_some_and(|now| lsn <= now))
    }
}

impl fmt::Display for LivePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (shard, lsn)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{}:{}", shard.0, lsn.0)?;
        }
        Ok(())
    }
}

/// Text that is no position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no position, which looks like 0:17,1:5")]
pub struct NotAPosition;

impl FromStr for LivePosition {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let mut shards = BTreeMap::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (shard, lsn) = part.split_once(':').ok_or(NotAPosition)?;
            let shard = shard.parse().map_err(|_not_a_number| NotAPosition)?;
            let lsn = lsn.parse().map_err(|_not_a_number| NotAPosition)?;
            shards.insert(ShardId(shard), Lsn(lsn));
        }
        Ok(Self(shards))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is() {
        for text in ["", "0:17", "0:17,3:5"] {
            assert_eq!(text.parse::<LivePosition>().unwrap().to_string(), text);
        }
        for text in ["0", "0:", ":1", "a:1", "0:1;1:2", "70000:1", "0:-1"] {
            assert_eq!(text.parse::<LivePosition>(), Err(NotAPosition), "{text}");
        }
        let at = |text: &str| text.parse::<LivePosition>().unwrap();
        assert!(at("0:5").is_within(&at("0:5,1:1")));
        assert!(!at("0:6").is_within(&at("0:5,1:1")));
        assert!(!at("2:1").is_within(&at("0:5,1:1")), "a shard that there is not");
    }
}
