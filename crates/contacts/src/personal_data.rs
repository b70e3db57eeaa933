//! `GET` and `DELETE /api/crm/contacts/{id}/data`: exports or erases the personal data of a contact.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::erased_files;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::ContactsErase;
use crm_core::routes;

/// The number of messages that one query reads.
const PAGE: usize = 500;

/// The result of an erasure.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Erased {
    conversations: u64,
    messages: u64,
    /// The number of files that are removed from Storage.
    files: u64,
    /// The number of erased campaign recipients.
    recipients: u64,
    /// The number of erased entries of recipient lists.
    list_entries: u64,
    /// The number of erased stored deliveries of Meta.
    deliveries: u64,
}

/// `/api/crm/contacts/{id}/data`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_contact_data, erase_contact_data))
}

/// Export everything stored about one person.
///
/// The answer is one JSON file: the contact, former identities, consents, notes, conversations, conversation notes,
/// satisfaction answers, campaigns and recipient lists under every number the person had, and the messages with links
/// to their files.
#[utoipa::path(
    get, path = "/api/crm/contacts/{id}/data", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    responses((status = 200, body = Object)),
)]
pub(crate) async fn get_contact_data(
    permitted: Permitted<ContactsErase>,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let caller = permitted.caller;
    let data: Option<Map<String, Value>> = caller
        .database()
        .rpc("get_contact_data", &json!({ "contact_id": id }))
        .await?;
    let mut head = Value::Object(data.ok_or_else(ApiError::not_found)?).to_string();
    // The closing bracket: the messages follow as the last member.
    head.pop();
    head.push_str(",\"messages\":[");
    let first = page(&caller, id, None).await?;
    let messages = stream::unfold(Some((caller, first, true)), move |state| async move {
        let (caller, messages, is_first) = state?;
        let Some(last) = messages.last().map(place_of) else {
            return Some((Ok(Bytes::from_static(b"]}")), None));
        };
        let mut text = String::new();
        for (nth, message) in messages.iter().enumerate() {
            if nth > 0 || !is_first {
                text.push(',');
            }
            text.push_str(&message.to_string());
        }
        match page(&caller, id, Some(last)).await {
            Ok(next) => Some((Ok(Bytes::from(text)), Some((caller, next, false)))),
            Err(error) => {
                log::error!("the export of contact {id} was cut off: {}", error.code());
                Some((Err(std::io::Error::other("the download was cut off")), None))
            }
        }
    });
    let body = Body::from_stream(stream::once(async move { Ok(Bytes::from(head)) }).chain(messages));
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"contact.json\"",
        ),
    ];
    Ok((headers, body).into_response())
}

async fn page(caller: &Caller, id: Uuid, behind: Option<(Value, Value)>) -> Result<Vec<Value>, ApiError> {
    let mut arguments = json!({ "contact_id": id, "page_size": PAGE });
    if let Some((at, message)) = behind {
        arguments["after"] = at;
        arguments["after_id"] = message;
    }
    caller
        .database()
        .rpc("list_contact_data_messages", &arguments)
        .await
}

fn place_of(message: &Value) -> (Value, Value) {
    (message["occurred_at"].clone(), message["id"].clone())
}

/// Erase everything stored about one person.
///
/// Contact, conversations, messages, files, places in campaigns and lists, and stored deliveries are erased. This
/// cannot be undone.
#[utoipa::path(
    delete, path = "/api/crm/contacts/{id}/data", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    responses((status = 200, body = Erased)),
)]
pub(crate) async fn erase_contact_data(
    State(app): State<App>,
    permitted: Permitted<ContactsErase>,
    PathId(id): PathId,
    background: Background,
) -> Result<Json<Erased>, ApiError> {
    let erased = permitted
        .caller
        .database()
        .rpc("erase_contact", &json!({ "contact_id": id }))
        .await?;
    background.run(async move { erased_files::remove_soon(&app).await });
    Ok(Json(erased))
}
