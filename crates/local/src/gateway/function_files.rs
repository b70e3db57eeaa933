//! Which file is which binary: the `[[bin]]` entries of the root `Cargo.toml` below `api/`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::vercel_json::FunctionSettings;

/// What Vercel gives a function without a setting.
const DEFAULT_DURATION: Duration = Duration::from_secs(60);

/// A function's file and binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionFile {
    /// Such as `api/conversations/[id].rs`.
    pub(crate) file: String,
    /// Such as `conversations-id`.
    pub(crate) bin: String,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    bin: Vec<Bin>,
}

#[derive(Deserialize)]
struct Bin {
    name: String,
    #[serde(default)]
    path: Option<String>,
}

/// A `Cargo.toml` that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct ManifestError {
    path: PathBuf,
    reason: String,
}

impl FunctionFile {
    /// All functions of a repository.
    pub(crate) fn read_all(root: &Path) -> Result<Vec<Self>, ManifestError> {
        let path = root.join("Cargo.toml");
        let read = || -> Result<Manifest, String> {
            let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
            toml::from_str(&text).map_err(|error| error.to_string())
        };
        let manifest = read().map_err(|reason| ManifestError {
            path: path.clone(),
            reason,
        })?;
        let functions = manifest.bin.into_iter().filter_map(|bin| {
            let file = bin
                .path
                .filter(|file| file.starts_with("api/") && file.ends_with(".rs"))?;
            Some(Self { file, bin: bin.name })
        });
        Ok(functions.collect())
    }

    /// The path it is served at, with its parameters in brackets.
    pub(crate) fn route(&self) -> String {
        format!("/{}", self.file.strip_suffix(".rs").unwrap_or(&self.file))
    }

    /// How long a request may take: the first pattern that matches decides.
    pub(crate) fn max_duration(&self, settings: &[(String, FunctionSettings)]) -> Duration {
        let found = settings
            .iter()
            .find(|(pattern, _)| *pattern == self.file || glob(pattern, &self.file));
        let seconds = found.and_then(|(_, settings)| settings.max_duration);
        seconds.map_or(DEFAULT_DURATION, Duration::from_secs)
    }
}

/// Whether a pattern of `*`, `**` and `?` matches a file; everything else stands for itself.
fn glob(pattern: &str, file: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => file.is_empty(),
        Some('*') => {
            if let Some(after) = pattern.strip_prefix("**/") {
                let folders = file.match_indices('/').map(|(position, _)| &file[position + 1..]);
                return std::iter::once(file)
                    .chain(folders)
                    .any(|below| glob(after, below));
            }
            if let Some(after) = pattern.strip_prefix("**") {
                return tails(file).any(|tail| glob(after, tail));
            }
            let segment = file.find('/').unwrap_or(file.len());
            tails(file)
                .take_while(|tail| file.len() - tail.len() <= segment)
                .any(|tail| glob(rest.as_str(), tail))
        }
        Some('?') => {
            let mut file = file.chars();
            file.next().is_some_and(|sign| sign != '/') && glob(rest.as_str(), file.as_str())
        }
        Some(sign) => file
            .strip_prefix(sign)
            .is_some_and(|tail| glob(rest.as_str(), tail)),
    }
}

fn tails(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices()
        .map(|(position, _)| &text[position..])
        .chain(std::iter::once(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_on_vercel() {
        for (pattern, file, expected) in [
            ("api/**/*.rs", "api/health.rs", true),
            ("api/**/*.rs", "api/cron/process.rs", true),
            ("api/*.rs", "api/cron/process.rs", false),
            ("api/cron/*.rs", "api/cron/process.rs", true),
            ("api/**", "api/a/b.rs", true),
            ("api/?.rs", "api/a.rs", true),
            ("api/?.rs", "api/ab.rs", false),
            ("api/a.rs", "api/b.rs", false),
        ] {
            assert_eq!(glob(pattern, file), expected, "{pattern} {file}");
        }
    }

    #[test]
    fn the_first_matching_duration_counts_and_brackets_stand_for_themselves() {
        let settings = |seconds| FunctionSettings {
            max_duration: Some(seconds),
        };
        let all = [
            ("api/items/[id].rs".to_owned(), settings(5)),
            ("api/**/*.rs".to_owned(), settings(30)),
        ];
        let file = |file: &str| FunctionFile {
            file: file.to_owned(),
            bin: String::new(),
        };
        assert_eq!(
            file("api/items/[id].rs").max_duration(&all),
            Duration::from_secs(5)
        );
        assert_eq!(file("api/health.rs").max_duration(&all), Duration::from_secs(30));
        assert_eq!(file("api/health.rs").max_duration(&[]), DEFAULT_DURATION);
    }

    #[test]
    fn only_binaries_below_api_are_functions() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[package]\nname = \"x\"\n[[bin]]\nname = \"openapi-json\"\npath = \"api/openapi.json.rs\"\n\
                    [[bin]]\nname = \"tool\"\npath = \"src/tool.rs\"\n";
        std::fs::write(folder.path().join("Cargo.toml"), text).unwrap();
        let found = FunctionFile::read_all(folder.path()).unwrap();
        let expected = FunctionFile {
            file: "api/openapi.json.rs".to_owned(),
            bin: "openapi-json".to_owned(),
        };
        assert_eq!(found, [expected]);
        assert_eq!(found[0].route(), "/api/openapi.json");
    }
}
