//! The output of the process: events for the launcher on standard output, lines for people on standard error.

use std::fmt::Display;
use std::io::Write;

use serde_json::json;

/// Writes one line for people to standard error, marked with the part it comes from.
pub fn line(part: &str, message: impl Display) {
    // A closed standard error must not take the stack down.
    let _ = writeln!(std::io::stderr().lock(), "[{part}] {message}");
}

/// Reports to the launcher that every part answers.
pub fn ready() {
    event(&json!({"event": "ready"}));
}

/// Reports to the launcher in one line why nothing was started.
pub fn error(message: &str) {
    event(&json!({"event": "error", "message": message}));
}

/// Reports to the launcher whether the new build has taken over, and otherwise why not.
pub fn replaced(outcome: Result<(), impl Display>) {
    let failure = outcome.err().map(|reason| reason.to_string());
    event(&json!({"event": "replaced", "failure": failure}));
}

fn event(value: &serde_json::Value) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{value}");
    let _ = stdout.flush();
}
