//! Which mapping a file is read with.

use std::path::Path;

use zonelake_push::{Mapping, PushFormat};

use super::pattern::Pattern;
use crate::error::CliError;

/// One option `--mapping`.
#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// File of the mapping, as it was named.
    file: String,
    mapping: Mapping,
}

/// All options `--mapping`, in their order.
#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    /// Reads and checks the mappings.
    ///
    /// # Errors
    /// Where one cannot be read or is not whole; a folder must not fill with files that have failed for that.
    pub(super) fn read(options: &[String]) -> Result<Self, CliError> {
        let mut rules = Vec::new();
        for option in options {
            let (pattern, file) = option.split_once('=').unwrap_or(("*", option));
            let mapping = Mapping::from_file(Path::new(file)).map_err(CliError::input)?;
            mapping.check().map_err(|error| CliError::input(format!("{file}: {error}")))?;
            rules.push(Rule { pattern: Pattern::new(pattern), file: file.to_owned(), mapping });
        }
        Ok(Self(rules))
    }

    /// The mapping of a file by its path in the folder, with the name of the mapping's own file; `None`: it stays. Line protocol needs none.
    pub(super) fn mapping(&self, relative: &Path) -> Option<(Mapping, &str)> {
        let text = relative.to_string_lossy();
        if PushFormat::from_path(relative) == Some(PushFormat::Line) {
            return Some((Mapping::default(), ""));
        }
        let rule = self.0.iter().find(|rule| rule.pattern.fits(&text))?;
        Some((rule.mapping.clone(), &rule.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_holds_and_line_protocol_needs_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = |table: &str| {
            let path = folder.path().join(format!("{table}.toml"));
            std::fs::write(&path, format!("table = \"{table}\"\nby_name = true\n[device]\nfile_name = true\n"))
                .unwrap();
            path.display().to_string()
        };
        let options = [format!("pump*.csv={}", file("production")), format!("*.csv={}", file("energy"))];
        let rules = Rules::read(&options).unwrap();
        let table = |name: &str| rules.mapping(Path::new(name)).map(|(mapping, _)| mapping.table);
        assert_eq!(table("a/pump-1.csv").as_deref(), Some("production"));
        assert_eq!(table("meter.csv").as_deref(), Some("energy"));
        assert_eq!(table("notes.txt"), None);
        assert_eq!(table("telegraf.lp").as_deref(), Some(""));
        assert!(Rules::read(&["*.csv=missing.toml".to_owned()]).is_err());
    }
}
