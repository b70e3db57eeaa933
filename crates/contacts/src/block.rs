//! `POST` and `DELETE /api/crm/contacts/{id}/block`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::SendError;

use super::contact::Contact;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::ContactsBlock;
use crm_core::routes;
use crm_core::text::{Language, Text};
use sending::number_token;

/// Meta's code if it has not blocked everyone in a list.
const NOT_ALL_BLOCKED: i64 = 139_100;

/// The result of blocking or unblocking a contact.
#[derive(Serialize, ToSchema)]
pub(crate) struct BlockOutcome {
    contact: Contact,
    /// Meta's answer for each of our numbers that the contact has written to. Even if Meta refuses, the product sends
    /// nothing to the contact, and messages from them count as unread nowhere.
    meta: Vec<MetaOutcome>,
}

/// Meta's answer for one of our numbers.
#[derive(Serialize, ToSchema)]
pub(crate) struct MetaOutcome {
    session_id: Uuid,
    /// Whether Meta did the same.
    done: bool,
    /// Why Meta did not.
    #[schema(example = "The contact has not written within 24 hours.")]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    contact: Contact,
    numbers: Vec<Number>,
}

#[derive(Deserialize)]
struct Number {
    session_id: Uuid,
    phone_number_id: String,
    user: String,
}

/// `/api/crm/contacts/{id}/block`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(block_contact, unblock_contact))
}

/// Block a contact.
///
/// The contact is blocked in the product and, if they wrote within 24 hours, at Meta. Nothing is sent to a blocked
/// contact, and what they write asks for no attention. `meta` says for each number whether Meta has blocked the contact
/// as well.
#[utoipa::path(
    post, path = "/api/crm/contacts/{id}/block", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    responses((status = 200, body = BlockOutcome)),
)]
pub(crate) async fn block_contact(
    State(app): State<App>,
    permitted: Permitted<ContactsBlock>,
    PathId(id): PathId,
) -> Result<Json<BlockOutcome>, ApiError> {
    set_blocked(&app, &permitted.caller, id, true).await.map(Json)
}

/// Unblock a contact.
///
/// The block ends in the product and at Meta.
#[utoipa::path(
    delete, path = "/api/crm/contacts/{id}/block", tag = "contacts",
    params(("id" = Uuid, Path, description = "The id of the contact")),
    responses((status = 200, body = BlockOutcome)),
)]
pub(crate) async fn unblock_contact(
    State(app): State<App>,
    permitted: Permitted<ContactsBlock>,
    PathId(id): PathId,
) -> Result<Json<BlockOutcome>, ApiError> {
    set_blocked(&app, &permitted.caller, id, false).await.map(Json)
}

async fn set_blocked(app: &App, caller: &Caller, id: Uuid, blocked: bool) -> Result<BlockOutcome, ApiError> {
    let arguments = json!({ "contact_id": id, "blocked": blocked });
    let answer: Answer = caller.database().rpc("block_contact", &arguments).await?;
    let mut meta = Vec::new();
    for number in answer.numbers {
        meta.push(set_blocked_at_meta(app, number, blocked).await);
    }
    Ok(BlockOutcome {
        contact: answer.contact,
        meta,
    })
}

async fn set_blocked_at_meta(app: &App, number: Number, blocked: bool) -> MetaOutcome {
    let session_id = number.session_id;
    let reason = match number_token(app, session_id).await {
        Err(error) => {
            log::warn!("number {session_id}: {error}");
            Some(unreachable_text())
        }
        Ok(token) => {
            let client = app.graph().number(&number.phone_number_id, &token);
            let users = [number.user.as_str()];
            let answer = if blocked {
                client.block(&users).await
            } else {
                client.unblock(&users).await
            };
            match answer {
                Ok(done) => done.is_empty().then(|| refusal(NOT_ALL_BLOCKED)),
                Err(SendError::Rejected { error }) => Some(refusal(error.code)),
                Err(error) => {
                    log::warn!("number {session_id}: Meta was not asked to change a block: {error}");
                    Some(unreachable_text())
                }
            }
        }
    };
    MetaOutcome {
        session_id,
        done: reason.is_none(),
        reason: reason.map(|text| text.in_language(Language::of_request()).to_owned()),
    }
}

fn refusal(code: i64) -> Text {
    if code == NOT_ALL_BLOCKED {
        return Text::new(
            "Meta only blocks people who wrote within the last 24 hours.",
            "Meta hanya memblokir orang yang menulis dalam 24 jam terakhir.",
        );
    }
    Text::new(
        format!("Meta refused, with its code {code}."),
        format!("Meta menolak, dengan kode {code}."),
    )
}

fn unreachable_text() -> Text {
    Text::new(
        "Meta could not be reached. Try again later.",
        "Meta tidak dapat dihubungi. Coba lagi nanti.",
    )
}
