//! `/api/conversations/{id}/labels`: the labels of a conversation.

use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversation::Conversation;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::path_id::PathId;
use crm_core::permissions::{LabelsAssign, LabelsView};
use crm_core::text::Text;

const MAX_LABELS: usize = 100;

/// A label where it is worn.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LabelOnConversation {
    id: Uuid,
    name: String,
    /// `#rrggbb`
    color: String,
}

/// The labels of a conversation.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationLabels {
    /// By name.
    data: Vec<LabelOnConversation>,
}

/// One label, or several.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LabelChoice {
    label_id: Option<Uuid>,
    #[schema(max_items = 100)]
    label_ids: Option<Vec<Uuid>>,
}

/// Which label.
#[derive(Deserialize)]
pub(crate) struct LabelQuery {
    label_id: Uuid,
}

/// `/api/conversations/{id}/labels`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/conversations/{id}/labels",
        get(list_conversation_labels)
            .post(add_conversation_labels)
            .put(replace_conversation_labels)
            .delete(remove_conversation_label),
    )
}

/// The labels of a conversation, by name.
#[utoipa::path(
    get, path = "/api/conversations/{id}/labels", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = ConversationLabels),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn list_conversation_labels(
    permitted: Permitted<LabelsView>,
    PathId(id): PathId,
) -> Result<Json<ConversationLabels>, ApiError> {
    let arguments = json!({ "conversation_id": id });
    let database = permitted.caller.database();
    let conversation: Option<Conversation> = database.rpc("get_conversation", &arguments).await?;
    let data = conversation.ok_or_else(ApiError::not_found)?.labels;
    Ok(Json(ConversationLabels { data }))
}

/// Puts labels on a conversation beside those it has.
#[utoipa::path(
    post, path = "/api/conversations/{id}/labels", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    request_body(content = LabelChoice, example = json!({"label_id": "<id>"})),
    responses(
        (status = 200, body = ConversationLabels),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn add_conversation_labels(
    permitted: Permitted<LabelsAssign>,
    PathId(id): PathId,
    JsonBody(choice): JsonBody<LabelChoice>,
) -> Result<Json<ConversationLabels>, ApiError> {
    change(&permitted.caller, id, choice.ids()?, "add").await
}

/// Has a conversation wear these labels and no others.
#[utoipa::path(
    put, path = "/api/conversations/{id}/labels", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path)),
    request_body(content = LabelChoice, example = json!({"label_ids": []})),
    responses(
        (status = 200, body = ConversationLabels),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn replace_conversation_labels(
    permitted: Permitted<LabelsAssign>,
    PathId(id): PathId,
    JsonBody(choice): JsonBody<LabelChoice>,
) -> Result<Json<ConversationLabels>, ApiError> {
    change(&permitted.caller, id, choice.ids()?, "replace").await
}

/// Takes a label off a conversation.
#[utoipa::path(
    delete, path = "/api/conversations/{id}/labels", tag = "conversations", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("label_id" = Uuid, Query)),
    responses(
        (status = 200, body = ConversationLabels),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn remove_conversation_label(
    permitted: Permitted<LabelsAssign>,
    PathId(id): PathId,
    QueryParameters(LabelQuery { label_id }): QueryParameters<LabelQuery>,
) -> Result<Json<ConversationLabels>, ApiError> {
    change(&permitted.caller, id, vec![label_id], "remove").await
}

async fn change(
    caller: &Caller,
    id: Uuid,
    label_ids: Vec<Uuid>,
    action: &str,
) -> Result<Json<ConversationLabels>, ApiError> {
    let arguments = json!({ "conversation_id": id, "label_ids": label_ids, "action": action });
    let data = caller.database().rpc("label_conversation", &arguments).await?;
    Ok(Json(ConversationLabels { data }))
}

impl LabelChoice {
    fn ids(self) -> Result<Vec<Uuid>, ApiError> {
        match (self.label_id, self.label_ids) {
            (Some(id), None) => Ok(vec![id]),
            (None, Some(ids)) if ids.len() <= MAX_LABELS => Ok(ids),
            (None, Some(_)) => Err(ApiError::field(
                "label_ids",
                Text::new("must not exceed 100 labels", "tidak boleh lebih dari 100 label"),
            )),
            _ => Err(ApiError::field(
                "label_ids",
                Text::new(
                    "either `label_id` or `label_ids` is required, and not both",
                    "`label_id` atau `label_ids` wajib diisi, dan tidak keduanya",
                ),
            )),
        }
    }
}
