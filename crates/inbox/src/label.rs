//! `/api/conversations/{id}/labels`: the labels of a conversation.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::conversation::Conversation;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::path_id::PathId;
use crm_core::permissions::{LabelsAssign, LabelsView};
use crm_core::routes;
use crm_core::text::Text;

const MAX_LABELS: usize = 100;

/// A label on a conversation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LabelOnConversation {
    id: Uuid,
    #[schema(example = "VIP")]
    name: String,
    /// `#rrggbb`
    #[schema(example = "#dc2626")]
    color: String,
}

/// The labels of a conversation.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationLabels {
    /// The labels, sorted by name.
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

/// The label to remove.
#[derive(Deserialize)]
pub(crate) struct LabelQuery {
    label_id: Uuid,
}

/// `/api/conversations/{id}/labels`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(
        list_conversation_labels,
        add_conversation_labels,
        replace_conversation_labels,
        remove_conversation_label
    ))
}

/// List the labels of a conversation.
///
/// The labels are sorted by name.
#[utoipa::path(
    get, path = "/api/conversations/{id}/labels", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    responses((status = 200, body = ConversationLabels)),
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

/// Add labels to a conversation.
///
/// The labels in `label_id` or `label_ids` are added to those the conversation has.
#[utoipa::path(
    post, path = "/api/conversations/{id}/labels", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    request_body(content = LabelChoice, example = json!({"label_id": "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10"})),
    responses((status = 200, body = ConversationLabels)),
)]
pub(crate) async fn add_conversation_labels(
    permitted: Permitted<LabelsAssign>,
    PathId(id): PathId,
    JsonBody(choice): JsonBody<LabelChoice>,
) -> Result<Json<ConversationLabels>, ApiError> {
    change(&permitted.caller, id, choice.ids()?, "add").await
}

/// Replace the labels of a conversation.
///
/// The conversation has exactly the labels in `label_ids` afterwards. An empty list removes all labels.
#[utoipa::path(
    put, path = "/api/conversations/{id}/labels", tag = "conversations",
    params(("id" = Uuid, Path, description = "The id of the conversation")),
    request_body(content = LabelChoice, example = json!({"label_ids": []})),
    responses((status = 200, body = ConversationLabels)),
)]
pub(crate) async fn replace_conversation_labels(
    permitted: Permitted<LabelsAssign>,
    PathId(id): PathId,
    JsonBody(choice): JsonBody<LabelChoice>,
) -> Result<Json<ConversationLabels>, ApiError> {
    change(&permitted.caller, id, choice.ids()?, "replace").await
}

/// Remove a label from a conversation.
///
/// The label itself stays. Removing a label that the conversation does not have changes nothing.
#[utoipa::path(
    delete, path = "/api/conversations/{id}/labels", tag = "conversations",
    params(
        ("id" = Uuid, Path, description = "The id of the conversation"),
        ("label_id" = Uuid, Query, description = "The id of the label"),
    ),
    responses((status = 200, body = ConversationLabels)),
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
