//! Business numbers in the Graph API.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Simulator;
use super::account::NumberState;
use super::graph::{Call, Parameters, answer, page, text_answer};
use super::graph_error::GraphError;

const DEFAULT_FIELDS: &str = "verified_name,code_verification_status,display_phone_number,quality_rating,platform_type,\
                              throughput,webhook_configuration";

fn field(simulator: &Simulator, number: &NumberState, name: &str) -> Option<Value> {
    let config = &number.config;
    Some(match name {
        "id" => json!(config.phone_number_id),
        "display_phone_number" => json!(config.display_phone_number),
        "verified_name" => json!(config.verified_name),
        "quality_rating" => json!(config.quality_rating.as_deref().unwrap_or("GREEN")),
        "name_status" | "new_name_status" => json!("APPROVED"),
        "status" => json!(config.status.as_deref().unwrap_or("CONNECTED")),
        "account_mode" => json!("LIVE"),
        "is_official_business_account" => json!(false),
        "is_pin_enabled" => json!(true),
        "code_verification_status" => json!("VERIFIED"),
        "platform_type" => json!("CLOUD_API"),
        "throughput" => {
            json!({"level": if matches!(simulator.settings().throughput, 1..=80) { "STANDARD" } else { "HIGH" }})
        }
        "whatsapp_business_manager_messaging_limit" | "messaging_limit_tier" => json!(config.messaging_limit),
        "webhook_configuration" => {
            let account = &config.business_account_id;
            let mut configuration = json!({"application": simulator.poster.webhook_url});
            if let Some(uri) = simulator.accounts.subscription(account).override_callback_uri {
                configuration["whatsapp_business_account"] = json!(uri);
            }
            configuration
        }
        "health_status" => {
            let entity = |kind: &str, id: &str| json!({"entity_type": kind, "id": id, "can_send_message": "AVAILABLE"});
            json!({"can_send_message": "AVAILABLE", "entities": [
                entity("PHONE_NUMBER", &config.phone_number_id),
                entity("WABA", &config.business_account_id),
                entity("APP", &simulator.app_id),
            ]})
        }
        _ => return None,
    })
}

/// The requested fields of a number.
pub(crate) fn show(
    simulator: &Simulator,
    number: &NumberState,
    parameters: &Parameters,
) -> Result<Value, GraphError> {
    let wanted = parameters.get("fields").map_or(DEFAULT_FIELDS, String::as_str);
    let mut object = Map::new();
    for name in wanted.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let value = field(simulator, number, name).ok_or_else(|| {
            GraphError::invalid_parameter(format!(
                "Tried accessing nonexisting field ({name}) on node type (WhatsAppBusinessPhoneNumber)"
            ))
        })?;
        object.insert(name.to_owned(), value);
    }
    object.insert("id".to_owned(), json!(number.config.phone_number_id));
    Ok(Value::Object(object))
}

/// `GET /{WABA}/phone_numbers`.
pub(crate) fn list(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    if !simulator.accounts.has_business_account(&call.node) {
        return Err(call.no_such_object());
    }
    let numbers = simulator.accounts.numbers();
    let rows = numbers
        .iter()
        .filter(|number| number.config.business_account_id == call.node);
    let rows = rows
        .map(|number| show(simulator, number, &call.parameters))
        .collect::<Result<_, _>>()?;
    page(call, rows)
}

/// `POST /{PNID}/register`.
pub(crate) async fn register(simulator: &Simulator, call: Call) -> Result<Value, GraphError> {
    let number = simulator
        .accounts
        .number(&call.node)
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
    if number.config.pin.as_deref().is_some_and(|right| right != pin) {
        return Err(GraphError::of(133_005));
    }
    Ok(json!({"success": true}))
}

/// `POST /{PNID}/deregister`.
pub(crate) fn deregister(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    simulator
        .accounts
        .number(&call.node)
        .map(|_| json!({"success": true}))
        .ok_or_else(|| call.no_such_object())
}

/// `POST` and `DELETE /{PNID}/block_users`. Only people who wrote within 24 hours can be blocked. If some
/// people fail, the answer lists both the failures and the successes.
pub(crate) async fn block(simulator: &Simulator, call: Call) -> Result<Response, GraphError> {
    let number = simulator
        .accounts
        .number(&call.node)
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
        if blocks && !number.window_is_open(&wa_id, simulator.clock.now_ms()) {
            failed.push(json!({"input": input, "wa_id": wa_id, "errors": [{
                "message": "Re-engagement required", "code": 131_047,
                "error_data": {"details": "User has not messaged in the last 24 hours"},
            }]}));
            continue;
        }
        if blocks {
            number.blocked.lock().insert(wa_id.clone());
        } else {
            number.blocked.lock().remove(&wa_id);
        }
        changed.push(json!({"input": input, "wa_id": wa_id}));
    }
    let name = if blocks { "added_users" } else { "removed_users" };
    let mut body = json!({"messaging_product": "whatsapp", "block_users": {name: changed}});
    if failed.is_empty() {
        return Ok(answer(&body));
    }
    body["block_users"]["failed_users"] = json!(failed);
    body["error"] = json!({
        "message": "(#139100) Failed to block/unblock users", "type": "OAuthException", "code": 139_100,
        "error_data": {"details": "Failed to block some users, see the block_users response list for details"},
    });
    Ok(text_answer(StatusCode::BAD_REQUEST, body.to_string()))
}

/// `GET /{PNID}/block_users`.
pub(crate) fn blocked(simulator: &Simulator, call: &Call) -> Result<Value, GraphError> {
    let number = simulator
        .accounts
        .number(&call.node)
        .ok_or_else(|| call.no_such_object())?;
    let rows = number
        .blocked
        .lock()
        .iter()
        .map(|wa_id| json!({"messaging_product": "whatsapp", "wa_id": wa_id}))
        .collect();
    page(call, rows)
}
