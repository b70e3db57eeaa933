//! The parts of `vercel.json` that the local stack follows.

use std::path::{Path, PathBuf};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};

/// `vercel.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VercelJson {
    /// The folder of the static files.
    pub output_directory: Option<PathBuf>,
    /// The rewrites, in order.
    pub rewrites: Vec<RewriteRule>,
    /// The headers of answers, in order.
    pub headers: Vec<HeadersRule>,
    /// The settings of functions by file pattern, in order: the first pattern that matches counts.
    #[serde(deserialize_with = "in_order")]
    pub functions: Vec<(String, FunctionSettings)>,
    /// Scheduled calls.
    pub crons: Vec<CronEntry>,
}

/// One rewrite.
#[derive(Debug, Clone, Deserialize)]
pub struct RewriteRule {
    /// The pattern of the path, in the syntax of path-to-regexp.
    pub source: String,
    /// The path that is served instead.
    pub destination: String,
}

/// Headers for the answers of some paths.
#[derive(Debug, Clone, Deserialize)]
pub struct HeadersRule {
    /// The pattern of the path, in the syntax of path-to-regexp.
    pub source: String,
    /// The headers.
    pub headers: Vec<AddedHeader>,
}

/// A header that is added.
#[derive(Debug, Clone, Deserialize)]
pub struct AddedHeader {
    /// The name.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Settings of functions.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionSettings {
    /// The most seconds that a request may take.
    pub max_duration: Option<u64>,
}

/// One scheduled call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CronEntry {
    /// The path that is called.
    pub path: String,
    /// The cron expression with 5 fields, in UTC.
    pub schedule: String,
}

/// The reason why `vercel.json` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct VercelJsonError {
    path: PathBuf,
    reason: String,
}

impl VercelJson {
    /// Reads `vercel.json` from a folder. Without the file every setting has its default.
    pub fn read(root: &Path) -> Result<Self, VercelJsonError> {
        let path = root.join("vercel.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(VercelJsonError {
                    path,
                    reason: error.to_string(),
                });
            }
        };
        serde_json::from_str(&text).map_err(|error| VercelJsonError {
            path,
            reason: error.to_string(),
        })
    }
}

fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, FunctionSettings)>, D::Error> {
    struct InOrder;
    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<(String, FunctionSettings)>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("an object of file patterns")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = map.next_entry().map_err(de::Error::custom)? {
                entries.push(entry);
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_map(InOrder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_all_defaults_and_a_broken_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(VercelJson::read(folder.path()).unwrap().crons.is_empty());
        std::fs::write(folder.path().join("vercel.json"), "{").unwrap();
        let refusal = VercelJson::read(folder.path()).unwrap_err().to_string();
        assert!(refusal.contains("vercel.json"), "{refusal}");
    }

    #[test]
    fn function_patterns_keep_their_order() {
        let text = r#"{"functions":{"z":{"maxDuration":9},"a":{"memory":1}},"regions":["sin1"]}"#;
        let read: VercelJson = serde_json::from_str(text).unwrap();
        let names = read
            .functions
            .iter()
            .map(|(name, settings)| (name.as_str(), settings.max_duration));
        assert_eq!(names.collect::<Vec<_>>(), [("z", Some(9)), ("a", None)]);
    }
}
