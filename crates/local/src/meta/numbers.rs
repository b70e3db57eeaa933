//! Business numbers in the Graph API.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Simulator;
use super::account::Line;
use super::graph::{Call, Parameters, answer, page, text_answer};
use super::graph_error::GraphError;

const DEFAULT_FIELDS: &str = "verified_name,code_verification_status,display_phone_number,quality_rating,platform_type,\
                              throughput,webhook_configuration";

fn field(simulator: &Simulator, line: &Line, name: &str) -> Option<Value> {
    let number = &line.number;
    Some(match name {
        "id" => json!(number.phone_number_id),
        "display_phone_number" => json!(number.display_phone_number),
        "verified_name" => json!(number.verified_name),
        "quality_rating" => json!(number.quality_rating.as_deref().unwrap_or("GREEN")),
        "name_status" | "new_name_status" => json!("APPROVED"),
        "status" => json!(number.status.as_deref().unwrap_or("CONNECTED")),
        "account_mode" => json!("LIVE"),
        "is_official_business_account" => json!(false),
        "is_pin_enabled" => json!(true),
        "code_verification_status" => json!("VERIFIED"),
        "platform_type" => json!("CLOUD_API"),
        "throughput" => {
            json!({"level": if matches!(simulator.settings().throughput, 1..=80) { "STANDARD" } else { "HIGH" }})
        }
        "whatsapp_business_manager_messaging_limit" | "messaging_limit_tier" => json!(number.messaging_limit),
        "webhook_configuration" => {
            let account = &number.business_account_id;
            let mut configuration = json!({"application": simulator.poster.webhook_url});
            if let Some(uri) = simulator.accounts.subscription(account).override_callback_uri {
                configuration["whatsapp_business_account"] = json!(uri);
            }
            configuration
        }
        "health_status" => {
            let entity = |kind: &str, id: &str| json!({"entity_type": kind, "id": id, "can_send_message": "AVAILABLE"});
            json!({"can_send_message": "AVAILABLE", "entities": [
                entity("PHONE_NUMBER", &number.phone_number_id),
                entity("WABA", &number.business_account_id),
                entity("APP", &simulator.app_id),
            ]})
        }
        _ => return None,
    })
}

/// A number with the fields asked for.
pub(crate) fn show(simulator: &Simulator, line: &Line, parameters: &Parameters) -> Result<Value, GraphError> {
    let wanted = parameters.get("fields").map_or(DEFAULT_FIELDS, String::as_str);
    let mut object = Map::new();
    for name in wanted.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let value = field(simulator, line, name).ok_or_else(|| {
            GraphError::invalid_parameter(format!(
                "Tried accessing nonexisting field ({name}) on node type (WhatsAppBusinessPhoneNumber)"
            ))
        })?;
        object.insert(name.to_owned(), value);
    }
    object.insert("id".to_owned(), json!(line.number.phone_number_id));
    Ok(Value::Object(object))
}

/// `GET /{WABA}/phone_numbers`.
pub(crate) fn list(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    if !simulator.accounts.has_business_account(&call.node) {
        return Err(call.no_such_object());
    }
    let lines = simulator.accounts.lines();
    let rows = lines
        .iter()
        .filter(|line| line.number.business_account_id == call.node);
    let rows = rows
        .map(|line| show(simulator, line, &call.parameters))
        .collect::<Result<_, _>>()?;
    page(call, rows)
}

/// `POST /{PNID}/register`.
pub(crate) async fn register(simulator: &Simulator, call: Call) -> Result<Value, GraphError> {
    let line = simulator
        .accounts
        .line(&call.node)
        .ok_or_else(|| call.no_such_object())?;
    let body = call.json().await?;
    if body["messaging_product"] != "whatsapp" {
        return Err(GraphError::invalid_parameter(
            "The parameter messaging_product is required.",
        ));
    }
    let pin = body["pin"]
        .as_str()
        .ok_or_else(|| GraphError::with_details(131_008, "The parameter pin is required."))?;
    if pin.len() != 6 || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(GraphError::with_details(
            131_009,
            "Param pin must be 6 digits long.",
        ));
    }
    if line.number.pin.as_deref().is_some_and(|right| right != pin) {
        return Err(GraphError::of(133_005));
    }
    Ok(json!({"success": true}))
}

/// `POST /{PNID}/deregister`.
pub(crate) fn deregister(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    simulator
        .accounts
        .line(&call.node)
        .map(|_| json!({"success": true}))
        .ok_or_else(|| call.no_such_object())
}

/// `POST` and `DELETE /{PNID}/block_users`. Only who wrote within 24 hours can be blocked; what fails for one person is
/// told beside what worked for the others.
pub(crate) async fn block(simulator: &Simulator, call: Call) -> Result<Response, GraphError> {
    let line = simulator
        .accounts
        .line(&call.node)
        .ok_or_else(|| call.no_such_object())?;
    let blocks = call.method == http::Method::POST;
    let body = call.json().await?;
    if body["messaging_product"] != "whatsapp" {
        return Err(GraphError::with_details(
            131_008,
            "The parameter messaging_product is required.",
        ));
    }
    let users = body["block_users"]
        .as_array()
        .filter(|users| !users.is_empty())
        .ok_or_else(|| GraphError::with_details(131_008, "The parameter block_users is required."))?;
    let (mut changed, mut failed) = (Vec::new(), Vec::new());
    for user in users {
        let input = user["user"].as_str().ok_or_else(|| {
            GraphError::with_details(131_009, "Param block_users[]['user'] must be a string.")
        })?;
        let wa_id = super::account::digits(input);
        if blocks && !line.window_is_open(&wa_id, simulator.clock.now_ms()) {
            failed.push(json!({"input": input, "wa_id": wa_id, "errors": [{
                "message": "Re-engagement required", "code": 131_047,
                "error_data": {"details": "User has not messaged in the last 24 hours"},
            }]}));
            continue;
        }
        if blocks {
            line.blocked.lock().insert(wa_id.clone());
        } else {
            line.blocked.lock().remove(&wa_id);
        }
        changed.push(json!({"input": input, "wa_id": wa_id}));
    }
    let name = if blocks { "added_users" } else { "removed_users" };
    let mut told = json!({"messaging_product": "whatsapp", "block_users": {name: changed}});
    if failed.is_empty() {
        return Ok(answer(&told));
    }
    told["block_users"]["failed_users"] = json!(failed);
    told["error"] = json!({
        "message": "(#139100) Failed to block/unblock users", "type": "OAuthException", "code": 139_100,
        "error_data": {"details": "Failed to block some users, see the block_users response list for details"},
    });
    Ok(text_answer(StatusCode::BAD_REQUEST, told.to_string()))
}

/// `GET /{PNID}/block_users`.
pub(crate) fn blocked(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    let line = simulator
        .accounts
        .line(&call.node)
        .ok_or_else(|| call.no_such_object())?;
    let rows = line
        .blocked
        .lock()
        .iter()
        .map(|wa_id| json!({"messaging_product": "whatsapp", "wa_id": wa_id}))
        .collect();
    page(call, rows)
}
