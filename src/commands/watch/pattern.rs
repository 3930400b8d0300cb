//! Patterns of names of files.

/// A pattern: `*` stands for any letters and `?` for one, neither for a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(String);

impl Pattern {
    /// The pattern of a text.
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// True where the path in the folder fits, or the name alone where the pattern has no slash.
    pub(super) fn fits(&self, relative: &str) -> bool {
        let name = match self.0.contains('/') {
            true => relative,
            false => relative.rsplit('/').next().unwrap_or(relative),
        };
        let (pattern, name): (Vec<char>, Vec<char>) = (self.0.chars().collect(), name.chars().collect());
        fits(&pattern, &name)
    }
}

/// Goes back to the last star alone, so that the time is at most the product of both lengths.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, in_name));
                at += 1;
            }
            Some('?') if name[in_name] != '/' => (at, in_name) = (at + 1, in_name + 1),
            Some(letter) if *letter == name[in_name] && *letter != '?' => (at, in_name) = (at + 1, in_name + 1),
            _ => match star {
                Some((behind, taken)) if name[taken] != '/' => {
                    star = Some((behind, taken + 1));
                    (at, in_name) = (behind, taken + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_names_and_a_star_no_slash() {
        for (pattern, name, is_fit) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "station/a.csv", true),
            ("*.csv", "a.csv.part", false),
            ("station/*.csv", "station/a.csv", true),
            ("station/*.csv", "station/b/a.csv", false),
            ("station/*.csv", "a.csv", false),
            ("*/*.csv", "station/a.csv", true),
            ("HT_*_KK?_*.txt", "HT_FHS_KK1_20260101000000.txt", true),
            ("HT_*_KK?_*.txt", "HT_FHS_KK_20260101000000.txt", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("*", "", true),
            ("", "a", false),
            ("Trạm*.csv", "Trạm 7.csv", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(name), is_fit, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_does_not_take_for_ever() {
        let pattern = Pattern::new(&"*a".repeat(60));
        assert!(!pattern.fits(&("a".repeat(200) + "b")));
    }
}
