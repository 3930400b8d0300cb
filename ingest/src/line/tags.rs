//! Tags that a sender puts on every line whether the table has them or not, such as Telegraf's `host`: left out, or taken as another column.

use std::borrow::Cow;

use zonelake_schemas::TableDef;

use super::parse::{Line, Raw};

/// What becomes of tags by their names, before a line is bound to its table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagRules {
    ignored: Vec<String>,
    /// Names of tags, each with the column that it becomes.
    mapped: Vec<(String, String)>,
    /// The tag `host` of a table without such a field is the device of a line that names none, and nothing of one that does.
    takes_host: bool,
}

impl TagRules {
    /// Tags as they are.
    pub const NONE: Self = Self { ignored: Vec::new(), mapped: Vec::new(), takes_host: false };

    /// Rules for senders that put the name of their machine into the tag `host`, as Telegraf does, with tags to leave out
    /// (`a,b`) and tags to take as other columns (`a=device,b=site`).
    ///
    /// # Errors
    /// The part that is no name, or no pair of names.
    pub fn for_senders(ignored: &str, mapped: &str) -> Result<Self, String> {
        let parts = |text: &str| {
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut pairs = Vec::new();
        for part in parts(mapped) {
            match part.split_once('=').map(|(tag, column)| (tag.trim(), column.trim())) {
                Some((tag, column)) if !tag.is_empty() && !column.is_empty() => {
                    pairs.push((tag.to_owned(), column.to_owned()));
                }
                _ => return Err(part),
            }
        }
        Ok(Self { ignored: parts(ignored), mapped: pairs, takes_host: true })
    }

    /// A text that is the same for the same rules.
    pub fn canonical(&self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn apply<'a>(&'a self, line: &mut Line<'a>, table: &TableDef) {
        if !self.ignored.is_empty() || !self.mapped.is_empty() {
            line.tags.retain_mut(|(name, _)| {
                let text = name.text().unwrap_or(Cow::Borrowed(""));
                if self.ignored.iter().any(|ignored| *ignored == *text) {
                    return false;
                }
                if let Some((_, column)) = self.mapped.iter().find(|(tag, _)| *tag == *text) {
                    *name = Raw::plain(column);
                }
                true
            });
        }
        if !self.takes_host {
            return;
        }
        let Some(host) = line.tags.iter().position(|(name, _)| name.bytes == HOST.as_bytes()) else { return };
        if table.field(HOST).is_some() {
            return;
        }
        let is_device = |name: &Raw<'_>| name.bytes == DEVICE.as_bytes();
        let has_device =
            line.tags.iter().any(|(name, _)| is_device(name)) || line.fields.iter().any(|(name, _)| is_device(name));
        if has_device {
            line.tags.remove(host);
        } else {
            line.tags[host].0 = Raw::plain(DEVICE);
        }
    }
}

const HOST: &str = "host";
const DEVICE: &str = "device";

/// The rules of lines that come with none.
pub(crate) static NO_RULES: TagRules = TagRules::NONE;
