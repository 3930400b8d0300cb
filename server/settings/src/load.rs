//! Loading of the settings: environment, file and defaults, in that order, and the check of all bounds.

use std::path::Path;

use confique::{Config, Layer};

use crate::error::SettingsError;
use crate::keys::Settings;

impl Settings {
    /// Reads environment and file (no file: defaults), and checks the bounds.
    ///
    /// # Errors
    /// Where a key does not exist, a value is of another type or out of its bounds, or the named file cannot be read.
    pub fn load(file: Option<&Path>) -> Result<Self, SettingsError> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| SettingsError::Unreadable(format!("settings: {}: {error}", path.display())))?,
            None => String::new(),
        };
        let from_env = <Self as Config>::Layer::from_env().map_err(|error| unreadable(&error))?;
        Self::of_layers(from_env, &text).map_err(|error| match (error, file) {
            (SettingsError::Unreadable(what), Some(path)) => {
                SettingsError::Unreadable(format!("settings file {}: {what}", path.display()))
            }
            (error, _) => error,
        })
    }

    /// Settings of `first`; what it leaves open comes from the text of a file, and then from the defaults.
    ///
    /// # Errors
    /// Where a key does not exist, or a value is of another type or out of its bounds.
    pub fn of_layers(first: <Self as Config>::Layer, text: &str) -> Result<Self, SettingsError> {
        let from_file: <Self as Config>::Layer =
            toml::from_str(text).map_err(|error| SettingsError::Unreadable(error.to_string().trim_end().to_owned()))?;
        let layer = first.with_fallback(from_file).with_fallback(<Self as Config>::Layer::default_values());
        let settings = Self::from_layer(layer).map_err(|error| unreadable(&error))?;
        settings.check()?;
        Ok(settings)
    }
}

/// The documented settings file with every key at its default.
pub fn template() -> String {
    confique::toml::template::<Settings>(confique::toml::FormatOptions::default())
}

/// The whole chain of causes on as many lines as it needs: TOML errors quote the line at fault.
fn unreadable(error: &confique::Error) -> SettingsError {
    let mut words = format!("settings: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(error.to_string().trim_end());
        cause = error.source();
    }
    SettingsError::Unreadable(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zonelake.toml");
        std::fs::write(&path, text).unwrap();
        Settings::load(Some(&path))
    }

    #[test]
    fn every_key_of_the_template_can_be_set_and_its_default_is_within_bounds() {
        let keys_set = template()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) && !key.ends_with(" =") => {
                    key.to_owned()
                }
                _ => line.to_owned(),
            })
            .collect::<Vec<_>>()
            .join("\n");
        assert!(keys_set.contains("\nsegment_bytes = 67108864"), "{keys_set}");
        let from_file = load(&keys_set).unwrap();
        assert_eq!(format!("{from_file:?}"), format!("{:?}", Settings::load(None).unwrap()));
    }

    #[test]
    fn every_key_has_a_variable_of_its_name_and_a_comment() {
        for (section, field) in keys(&Settings::META, "") {
            let confique::meta::FieldKind::Leaf { env, .. } = field.kind else { unreachable!("keys are leaves") };
            let expected = format!("ZONELAKE_{section}{}", field.name.to_uppercase());
            assert_eq!(env, Some(expected.as_str()));
            assert!(!field.doc.is_empty(), "{} has no comment", field.name);
        }
    }

    fn keys(meta: &confique::meta::Meta, section: &str) -> Vec<(String, confique::meta::Field)> {
        let of_field = |field: &confique::meta::Field| match field.kind {
            confique::meta::FieldKind::Leaf { .. } => vec![(section.to_owned(), *field)],
            confique::meta::FieldKind::Nested { meta } => keys(meta, &format!("{}_", field.name.to_uppercase())),
        };
        meta.fields.iter().flat_map(of_field).collect()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("[wal]\nsegment_byte = 1", "segment_byte"),
            ("[wahl]\nsegment_bytes = 1", "wahl"),
            ("[wal]\nsegment_bytes = \"many\"", "segment_bytes = \"many\""),
            ("[wal]\nsegment_bytes = 1", "wal.segment_bytes"),
            ("[wal]\nbytes_max = 67108865", "twice wal.segment_bytes"),
            ("[quic]\nlisten = \"nowhere\"", "listen = \"nowhere\""),
            ("[flush]\nage_seconds = 0", "ZONELAKE_FLUSH_AGE_SECONDS"),
            ("[http]\nlisten = \"0.0.0.0:1\"", "http.certificate"),
            ("[quic]\nkey = \"k.pem\"", "quic.certificate"),
            ("[postgres]\nlisten = \"0.0.0.0:1\"", "postgres.certificate"),
            ("[postgres]\nstartup_seconds_max = 0", "ZONELAKE_POSTGRES_STARTUP_SECONDS_MAX"),
            ("[ingest]\noldest_date = \"2001-02-29\"", "ingest.oldest_date"),
            ("[log]\nlevel = \"info,=x=\"", "log.level"),
            ("node = \"\"", "node"),
        ] {
            let error = load(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(Settings::load(Some(Path::new("/nonexistent/zonelake.toml"))).is_err());
    }
}
