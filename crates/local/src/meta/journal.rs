//! The state file that survives a restart. It holds one JSON record per line and is rewritten on start.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::account::{Number, Subscription};
use super::template::Template;
use crate::console;

/// A record of the state file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    Number(Number),
    Template(Template),
    TemplateRemoved {
        business_account_id: String,
        id: String,
        name: String,
    },
    Subscription(Subscription),
    Window {
        phone_number_id: String,
        contact: String,
        opened_at: i64,
    },
    WindowClosed {
        phone_number_id: String,
        contact: String,
    },
}

/// The open state file. Without a path, no state is kept.
#[derive(Debug)]
pub(crate) struct Journal {
    path: Option<PathBuf>,
    file: Mutex<Option<File>>,
}

/// An unusable state file.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("the state file {path} cannot be used: {source}")]
    File {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file holds a line that the simulator did not write.
    #[error("the state file {path} is damaged in line {line}: remove it to start without its state")]
    Damaged {
        /// The path.
        path: PathBuf,
        /// The number of the first unreadable line.
        line: usize,
    },
}

impl Journal {
    /// Reads the records of an earlier run.
    pub(crate) fn read(path: Option<&Path>) -> Result<Vec<Record>, JournalError> {
        let Some(path) = path else { return Ok(Vec::new()) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(JournalError::File {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let mut records = Vec::new();
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            match serde_json::from_str(line) {
                Ok(record) => records.push(record),
                // A killed process may leave an incomplete last line.
                Err(_) if index + 1 == lines.len() && !text.ends_with('\n') => {}
                Err(_) => {
                    return Err(JournalError::Damaged {
                        path: path.to_owned(),
                        line: index + 1,
                    });
                }
            }
        }
        Ok(records)
    }

    /// Writes a new file that holds only `records`, and replaces the old one atomically.
    pub(crate) fn start(path: Option<&Path>, records: &[Record]) -> Result<Self, JournalError> {
        let Some(path) = path else {
            return Ok(Self {
                path: None,
                file: Mutex::new(None),
            });
        };
        let written = || -> std::io::Result<File> {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            let mut text = Vec::new();
            for record in records {
                serde_json::to_writer(&mut text, record)?;
                text.push(b'\n');
            }
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)
        };
        let file = written().map_err(|source| JournalError::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: Some(path.to_owned()),
            file: Mutex::new(Some(file)),
        })
    }

    /// Appends a record. If writing fails, it logs the error once and writes no more records.
    pub(crate) fn append(&self, record: &Record) {
        let mut file = self.file.lock();
        let Some(open) = file.as_mut() else { return };
        let Ok(mut line) = serde_json::to_vec(record) else {
            return;
        };
        line.push(b'\n');
        if let Err(error) = open.write_all(&line) {
            let path = self.path.as_deref().unwrap_or(Path::new(""));
            console::line(
                "meta",
                format_args!("the state is no longer kept in {}: {error}", path.display()),
            );
            *file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(contact: &str) -> Record {
        Record::Window {
            phone_number_id: "1".to_owned(),
            contact: contact.to_owned(),
            opened_at: 5,
        }
    }

    #[test]
    fn records_are_read_back_and_an_incomplete_last_line_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/meta.json");
        assert_eq!(Journal::read(Some(&path)).unwrap(), []);
        let journal = Journal::start(Some(&path), &[window("a")]).unwrap();
        journal.append(&window("b"));
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"window\":{\"phone");
        std::fs::write(&path, text).unwrap();
        assert_eq!(Journal::read(Some(&path)).unwrap(), [window("a"), window("b")]);
    }

    #[test]
    fn a_foreign_file_is_refused_with_its_path_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta.json");
        std::fs::write(&path, "{\"a\":1}\n").unwrap();
        let refusal = Journal::read(Some(&path)).unwrap_err().to_string();
        assert!(
            refusal.contains("meta.json") && refusal.contains("line 1"),
            "{refusal}"
        );
    }
}
