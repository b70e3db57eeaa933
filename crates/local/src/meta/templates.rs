//! The Graph endpoints of message templates, and the review of new ones.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Simulator;
use super::graph::{Call, page};
use super::graph_error::GraphError;
use super::journal::Record;
use super::template::Template;
use super::template_rules;
use super::webhooks::outbox::Update;

/// A template as a row of a list.
pub(crate) fn row(template: &Template) -> Value {
    json!({
        "id": template.id,
        "name": template.name,
        "language": template.language,
        "status": template.status,
        "category": template.category,
        "parameter_format": template.parameter_format,
        "components": template.components,
        "rejected_reason": template.rejected_reason,
        "quality_score": {"score": template.quality_score},
    })
}

fn check_account(simulator: &Simulator, call: &Call) -> Result<(), GraphError> {
    if simulator.accounts.has_business_account(&call.node) {
        Ok(())
    } else {
        Err(call.no_such_object())
    }
}

/// `GET /{WABA}/message_templates`.
pub(crate) fn list(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    check_account(simulator, call)?;
    let is = |name: &str, value: &str| {
        call.parameters
            .get(name)
            .is_none_or(|wanted| wanted.split(',').any(|one| one.eq_ignore_ascii_case(value)))
    };
    let templates = simulator.accounts.templates();
    let rows = templates.iter().filter(|template| {
        template.business_account_id == call.node
            && call
                .parameters
                .get("name")
                .is_none_or(|wanted| template.name.contains(wanted.as_str()))
            && is("status", &template.status)
            && is("language", &template.language)
            && is("category", &template.category)
    });
    let rows = rows.map(|template| {
        let mut row = row(template);
        if let (Some(fields), Some(object)) = (call.parameters.get("fields"), row.as_object_mut()) {
            object.retain(|name, _| name == "id" || fields.split(',').any(|field| field.trim() == name));
        }
        row
    });
    page(call, rows.collect())
}

/// `POST /{WABA}/message_templates`.
pub(crate) async fn create(simulator: &Arc<Simulator>, call: Call) -> Result<Value, GraphError> {
    check_account(simulator, &call)?;
    let account = call.node.clone();
    let body = serde_json::from_value(call.json().await?)
        .map_err(|error| GraphError::invalid_parameter(format!("Invalid parameter: {error}")))?;
    let mut template = template_rules::check(&account, body)?;
    replace_sample_handles(simulator, &mut template)?;
    if simulator
        .accounts
        .template(&account, &template.name, &template.language)
        .is_some()
    {
        return Err(GraphError::template(
            2_388_024,
            "Content in this language already exists",
            "There is already content for this template in this language. Create a new template and try again.",
        ));
    }
    let (template, _) = simulator.accounts.put_template(template);
    simulator
        .journal
        .append(&Record::Template(Template::clone(&template)));
    review(simulator, &template);
    Ok(json!({"id": template.id, "status": template.status, "category": template.category}))
}

/// `DELETE /{WABA}/message_templates?name=[&hsm_id=]`. Without the id, deletes all languages.
pub(crate) fn delete(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    check_account(simulator, call)?;
    let Some(name) = call.parameters.get("name") else {
        return Err(GraphError::invalid_parameter("The parameter name is required."));
    };
    let id = call.parameters.get("hsm_id").map(String::as_str);
    let templates = simulator.accounts.templates();
    let mut named = templates.iter().filter(|template| {
        template.business_account_id == call.node
            && template.name == *name
            && id.is_none_or(|id| template.id == id)
    });
    if named.any(|template| template.status == "DISABLED") {
        return Err(GraphError::template(
            2_388_094,
            "Message template cannot be deleted",
            "A disabled template cannot be deleted.",
        ));
    }
    let removed = simulator.accounts.remove_templates(&call.node, name, id);
    if removed.is_empty() {
        return Err(GraphError::template(
            2_593_002,
            "Message template not found",
            format!("No template named {name} exists in this account."),
        ));
    }
    for template in removed {
        simulator.journal.append(&Record::TemplateRemoved {
            business_account_id: template.business_account_id.clone(),
            id: template.id.clone(),
            name: template.name.clone(),
        });
    }
    Ok(json!({"success": true}))
}

/// Replaces the upload handles of header samples with addresses. As at Meta, an address cannot be submitted
/// again.
pub(crate) fn replace_sample_handles(
    simulator: &Simulator,
    template: &mut Template,
) -> Result<(), GraphError> {
    for component in &mut template.components {
        let Some(handle) = component["example"]["header_handle"][0].as_str() else {
            continue;
        };
        if !simulator.uploads.has(handle) {
            return Err(GraphError::template(
                2_494_102,
                "Uploaded media handle is invalid",
                "The uploaded media handle is invalid. Please upload again to generate a valid handle.",
            ));
        }
        let id = simulator.accounts.new_id();
        component["example"]["header_handle"] =
            json!([format!("https://scontent.whatsapp.net/v/t61/{id}?oe=1")]);
    }
    Ok(())
}

/// Approves a pending template after the review time and notifies the application.
pub(crate) fn review(simulator: &Arc<Simulator>, template: &Arc<Template>) {
    let (simulator, id) = (Arc::downgrade(simulator), template.id.clone());
    let Some(time) = simulator
        .upgrade()
        .map(|simulator| simulator.settings().template_review_ms)
    else {
        return;
    };
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(time)).await;
        let Some(simulator) = simulator.upgrade() else {
            return;
        };
        let Some(template) = simulator.accounts.template_by_id(&id) else {
            return;
        };
        if template.status == "PENDING" {
            put(
                &simulator,
                Template {
                    status: "APPROVED".to_owned(),
                    ..Template::clone(&template)
                },
            );
        }
    });
}

/// Adds or changes a template on Meta's side, and notifies the application of a changed status.
pub(crate) fn put(simulator: &Simulator, template: Template) -> Arc<Template> {
    let (template, previous) = simulator.accounts.put_template(template);
    simulator
        .journal
        .append(&Record::Template(Template::clone(&template)));
    if previous.is_some_and(|previous| previous != template.status) {
        announce(simulator, &template);
    }
    template
}

fn announce(simulator: &Simulator, template: &Template) {
    // The id is a JSON number in webhooks and a string everywhere else.
    let id = template
        .id
        .parse::<u64>()
        .map_or_else(|_| json!(template.id), |id| json!(id));
    let value = json!({
        "event": template.status,
        "message_template_id": id,
        "message_template_name": template.name,
        "message_template_language": template.language,
        "message_template_category": template.category,
        "reason": template.rejected_reason,
    });
    simulator.outbox.schedule(
        Instant::now(),
        Update::Account {
            business_account_id: template.business_account_id.clone(),
            field: "message_template_status_update",
            value,
        },
    );
}
