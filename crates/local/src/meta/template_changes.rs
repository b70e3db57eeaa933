//! Edits of templates, and the reactivation of paused ones.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Simulator;
use super::graph::Call;
use super::graph_error::GraphError;
use super::template::Template;
use super::{template_rules, templates};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// The body of `POST /{TEMPLATE}`.
#[derive(Deserialize)]
struct Edit {
    #[serde(default)]
    components: Option<Vec<Value>>,
    #[serde(default)]
    category: Option<String>,
}

fn refuse(explanation: &str) -> GraphError {
    GraphError::template(2_388_039, "Message template cannot be edited", explanation)
}

/// `POST /{TEMPLATE}`: replaces all components, the category, or both.
pub(crate) async fn edit(
    simulator: &Arc<Simulator>,
    template: &Template,
    call: Call,
) -> Result<Value, GraphError> {
    let edit: Edit = serde_json::from_value(call.json().await?)
        .map_err(|error| GraphError::invalid_parameter(format!("Invalid parameter: {error}")))?;
    if !["APPROVED", "REJECTED", "PAUSED"].contains(&template.status.as_str()) {
        return Err(refuse(
            "Only approved, rejected and paused templates can be edited.",
        ));
    }
    let now = simulator.clock.now_ms();
    let mut edits = template.edits.clone();
    if template.status == "APPROVED" {
        if edit.category.is_some() {
            return Err(refuse("The category of an approved template cannot be changed."));
        }
        edits.retain(|edited| now - edited < 30 * DAY_MS);
        if edits.len() >= 10 || edits.iter().any(|edited| now - edited < DAY_MS) {
            return Err(refuse(
                "An approved template can be edited once in 24 hours and 10 times in 30 days.",
            ));
        }
        edits.push(now);
    }
    let mut edited = template_rules::check_edit(template, edit.components, edit.category)?;
    templates::replace_sample_handles(simulator, &mut edited)?;
    edited.edits = edits;
    edited.status = "PENDING".to_owned();
    edited.rejected_reason = "NONE".to_owned();
    let edited = templates::put(simulator, edited);
    templates::review(simulator, &edited);
    Ok(json!({"success": true}))
}

/// `POST /{TEMPLATE}/unpause`.
pub(crate) fn unpause(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    let template = simulator
        .accounts
        .template_by_id(&call.node)
        .ok_or_else(|| call.no_such_object())?;
    if template.status != "PAUSED" {
        return Ok(json!({"success": false, "reason": "The template is not paused."}));
    }
    templates::put(
        simulator,
        Template {
            status: "APPROVED".to_owned(),
            ..Template::clone(&template)
        },
    );
    Ok(json!({"success": true}))
}
