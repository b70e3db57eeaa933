//! Completes each operation with its access, its answers and its error codes, from the contract that the handler's
//! arguments state.

use serde_json::{Map, Value, json};

use super::error_codes;
use crm_core::contract::{EXTENSION, REFUSALS, REPEATABLE, Refusal};

/// Completes every operation of the document.
pub(super) fn complete(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for item in paths.values_mut() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation
                .as_object_mut()
                .filter(|it| it.contains_key("operationId"))
            {
                complete_operation(method, operation, &schemas);
            }
        }
    }
    let named = REFUSALS
        .iter()
        .map(|refusal| {
            let codes: Vec<&str> = refusal.codes.to_vec();
            (refusal.name.to_owned(), refused(refusal.description, &codes))
        })
        .collect();
    document["components"]["responses"] = Value::Object(named);
}

/// The refusals of a request with an `Idempotency-Key`.
const KEY_CODES: [&str; 2] = ["request_running", "request_unfinished"];

/// States that an operation takes an `Idempotency-Key`.
fn state_key(operation: &mut Map<String, Value>) {
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A key of up to 200 characters that makes the request safe to repeat for 24 hours: the same request with the same key gets the first answer again, with the header `Idempotency-Replayed`, and does nothing. The same key with another query or body is refused (422). While the first request still runs, the answer is `request_running` (409).",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        }));
    }
}

fn complete_operation(method: &str, operation: &mut Map<String, Value>, schemas: &Value) {
    let contract = operation.remove(EXTENSION).unwrap_or_default();
    let is_repeatable = operation.remove(REPEATABLE).is_some();
    if is_repeatable {
        state_key(operation);
    }
    state_access(operation, &contract);
    let refusals = REFUSALS.iter().filter(|refusal| {
        let named = contract["refusals"]
            .as_array()
            .is_some_and(|names| names.contains(&json!(refusal.name)));
        // Only a change can violate a unique key.
        named
            || (is_repeatable && ["Conflict", "Invalid"].contains(&refusal.name))
            || (refusal.name == "Conflict" && method != "get" && contract["access"] == "permission")
    });
    let refusals: Vec<&&Refusal> = refusals.collect();

    let Some(answers) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    if is_repeatable {
        answers.entry("409").or_insert_with(|| json!({"description": ""}));
    }
    for (status, answer) in answers.iter_mut() {
        if status.starts_with(['4', '5']) && answer.get("content").is_none() {
            let own = answer["description"].as_str().unwrap_or_default().to_owned();
            let general = refusals
                .iter()
                .filter(|refusal| refusal.status.to_string() == *status);
            let mut codes: Vec<&str> = general.flat_map(|refusal| refusal.codes).copied().collect();
            if is_repeatable && status == "409" {
                codes.extend(KEY_CODES);
            }
            codes.extend(own.split(", ").filter(|code| !code.is_empty()));
            codes.sort_unstable();
            codes.dedup();
            *answer = refused(reason(status), &codes);
        } else if answer["description"].as_str().unwrap_or_default().is_empty() {
            answer["description"] = described(answer, schemas).into();
        }
    }
    for refusal in refusals {
        // `Conflict` includes the codes of `AccessChanged`.
        let reference = json!({"$ref": format!("#/components/responses/{}", refusal.name)});
        let status = refusal.status.to_string();
        let stands = answers
            .get(&status)
            .is_some_and(|answer| answer.get("content").is_some());
        if !stands {
            answers.insert(status, reference);
        }
    }
}

/// States who may call an operation: for programs as `x-permission`, `x-public` and `security`, for people in the
/// description.
fn state_access(operation: &mut Map<String, Value>, contract: &Value) {
    let (security, permission, words) = match contract["access"].as_str().unwrap_or_default() {
        "public" => (
            json!([]),
            None,
            "none; everybody may call this, without credentials.".to_owned(),
        ),
        "cron" => (
            json!([{"cron": []}]),
            Some(json!("cron")),
            "only the scheduler may call this: it sends the secret `CRON_SECRET`.".to_owned(),
        ),
        "account" => (
            json!([{"bearer": []}]),
            Some(json!("account")),
            "none; every signed-in person may call this, also one who belongs to no organisation.".to_owned(),
        ),
        "member" => (
            json!([{"bearer": []}]),
            Some(json!("member")),
            "none; every member of an organisation may call this, and every API key.".to_owned(),
        ),
        "permission" => (
            json!([{"bearer": []}]),
            Some(contract["permission"].clone()),
            format!("{}.", contract["in_words"].as_str().unwrap_or_default()),
        ),
        // The annotation states it: only the webhook has another kind of credential.
        _ => (
            json!([{"signature": []}]),
            Some(json!("signature")),
            "only Meta may call this: it signs the body with the app secret.".to_owned(),
        ),
    };
    operation.insert("security".to_owned(), security);
    match permission {
        Some(permission) => operation.insert("x-permission".to_owned(), permission),
        None => operation.insert("x-public".to_owned(), json!(true)),
    };
    let description = operation
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // Line ends within a paragraph of a doc comment are only those of the source file.
    let paragraphs: Vec<String> = description
        .split("\n\n")
        .map(|text| text.replace('\n', " "))
        .collect();
    let description = format!("{}\n\n**Permission:** {words}", paragraphs.join("\n\n"));
    operation.insert("description".to_owned(), description.trim().into());
}

/// An answer in the one error format, with an example for each code it can have.
fn refused(reason: &str, codes: &[&str]) -> Value {
    let list: Vec<String> = codes
        .iter()
        .map(|code| format!("- `{code}`: {}", error_codes::meaning(code).unwrap_or_default()))
        .collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| {
            let mut error = json!({"code": code, "message": error_codes::meaning(code)});
            if *code == "invalid_field" {
                error["fields"] = json!({"name": "must not be empty"});
            }
            ((*code).to_owned(), json!({"value": {"error": error}}))
        })
        .collect();
    json!({
        "description": format!("{reason}\n\n{}", list.join("\n")),
        "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/ErrorBody"},
            "examples": examples,
        }},
    })
}

fn reason(status: &str) -> &'static str {
    // The last refusal of a status is the most general.
    let general = REFUSALS
        .iter()
        .rfind(|refusal| refusal.status.to_string() == status);
    match status {
        "401" => "The request has no valid credentials.",
        "409" => "The request conflicts with what is stored or with its state.",
        "503" => "A service behind this one does not answer.",
        _ => general.map_or("The request is refused.", |refusal| refusal.description),
    }
}

/// The description of a success; without one of its own, the description of its schema.
fn described(answer: &Value, schemas: &Value) -> String {
    let Some(content) = answer["content"].as_object() else {
        return "Done. The answer has no body.".to_owned();
    };
    let schema = content
        .values()
        .map(|media| &media["schema"])
        .find(|schema| schema["$ref"].is_string());
    let name = schema
        .and_then(|schema| schema["$ref"].as_str())
        .and_then(|reference| reference.rsplit('/').next());
    let described = name.and_then(|name| schemas[name]["description"].as_str());
    described.unwrap_or("Done.").to_owned()
}
