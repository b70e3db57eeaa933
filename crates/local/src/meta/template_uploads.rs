//! The resumable upload: `POST /{APP}/uploads`, then `POST /{upload id}` with the bytes. It returns the
//! handle by which a template names the sample file of its header.

use std::collections::{HashMap, HashSet};

use http::{HeaderMap, header};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Simulator;
use super::graph::Call;
use super::graph_error::GraphError;

/// The prefix of upload session ids.
pub(crate) const PREFIX: &str = "upload:";
const LIMIT: usize = 100 * 1_024 * 1_024;
const MIME_TYPES: [&str; 5] = [
    "image/jpeg",
    "image/png",
    "video/mp4",
    "video/3gpp",
    "application/pdf",
];

/// Sessions that wait for their bytes, and the handles of finished uploads.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    sessions: Mutex<HashMap<String, usize>>,
    handles: Mutex<HashSet<String>>,
}

impl Uploads {
    pub(crate) fn has(&self, handle: &str) -> bool {
        self.handles.lock().contains(handle)
    }
}

/// Checks the token. This call alone uses the scheme `OAuth` instead of `Bearer`.
pub(crate) fn check_token(simulator: &Simulator, headers: &HeaderMap) -> Result<(), GraphError> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("OAuth "));
    if given.is_some_and(|token| simulator.tokens.is_valid(token)) {
        return Ok(());
    }
    Err(GraphError::of(190))
}

/// `POST /{APP}/uploads?file_name&file_length&file_type`.
pub(crate) fn begin(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    // `app` means the app of the token.
    if call.node != simulator.app_id && call.node != "app" {
        return Err(call.no_such_object());
    }
    let parameter = |name: &str| {
        let value = call.parameters.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| GraphError::invalid_parameter(format!("The parameter {name} is required.")))
    };
    parameter("file_name")?;
    let length: usize = parameter("file_length")?
        .parse()
        .map_err(|_| GraphError::invalid_parameter("Param file_length must be a number"))?;
    if !MIME_TYPES.contains(&parameter("file_type")?.as_str()) {
        return Err(GraphError::invalid_parameter(
            "Param file_type is not a supported type",
        ));
    }
    if length == 0 || length > LIMIT {
        return Err(GraphError::invalid_parameter("Param file_length is out of range"));
    }
    let id = format!("{PREFIX}{}", simulator.accounts.new_id());
    simulator.uploads.sessions.lock().insert(id.clone(), length);
    // Meta's ids contain a signature.
    Ok(json!({"id": format!("{id}?sig=ARZ{length}")}))
}

/// `POST /{upload id}` with `file_offset` and the bytes.
pub(crate) async fn receive(simulator: &Simulator, call: Call) -> Result<Value, GraphError> {
    let id = call.node.clone();
    let Some(length) = simulator.uploads.sessions.lock().get(&id).copied() else {
        return Err(call.no_such_object());
    };
    let signature = format!("ARZ{length}");
    if call.parameters.get("sig") != Some(&signature) {
        return Err(GraphError::invalid_parameter("Invalid upload session"));
    }
    let offset = call
        .request
        .headers()
        .get("file_offset")
        .and_then(|value| value.to_str().ok());
    if offset != Some("0") {
        return Err(GraphError::invalid_parameter("file_offset must be 0"));
    }
    let bytes = call.body().await?;
    if bytes.len() != length {
        return Err(GraphError::invalid_parameter(
            "The file is not as long as file_length says",
        ));
    }
    simulator.uploads.sessions.lock().remove(&id);
    let handle = format!("4::{}:ARb", simulator.accounts.new_id());
    simulator.uploads.handles.lock().insert(handle.clone());
    Ok(json!({"h": handle}))
}
