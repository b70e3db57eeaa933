//! `GET`, `PATCH` and `DELETE /api/quick-replies/{id}`, and a quick reply as clients see it.

use axum::Json;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{optional_text, required_text};
use crm_core::json_body::{JsonBody, nullable};
use crm_core::path_id::PathId;
use crm_core::permissions::{QuickRepliesCreate, QuickRepliesDelete, QuickRepliesUpdate, QuickRepliesView};
use crm_core::routes;

/// A quick reply: a prepared answer.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct QuickReply {
    id: Uuid,
    scope: Scope,
    /// The shortcut without its slash.
    #[schema(example = "halo")]
    shortcut: String,
    #[schema(example = "Sapaan")]
    title: String,
    /// The text. It may contain the variables `{{contact.name}}`, `{{contact.first_name}}`, `{{contact.last_name}}`,
    /// `{{contact.phone_number}}`, `{{contact.email}}`, `{{contact.custom.<field>}}`, `{{agent.name}}`,
    /// `{{agent.first_name}}`, `{{agent.last_name}}`, `{{agent.email}}` and `{{tenant.name}}`.
    #[schema(example = "Halo {{contact.name}}, saya {{agent.name}}.")]
    content: String,
    /// The variables in the text.
    #[schema(example = json!(["contact.name", "agent.name"]))]
    variables: Vec<String>,
    #[schema(example = "Umum")]
    category: Option<String>,
    media: Option<QuickReplyMedia>,
    /// How often it was filled in for a conversation.
    usage_count: u64,
    last_used_at: Option<DateTime<Utc>>,
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The owner: the organisation, or one person.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = QuickReplyScope)]
pub(super) enum Scope {
    Shared,
    Personal,
}

/// A file that is sent with the text.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuickReplyMedia {
    #[serde(rename = "type")]
    pub(super) kind: MediaKind,
    /// The path in bucket `broadcast-media`, in the folder of the tenant.
    #[schema(example = "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10/menu.pdf")]
    pub(super) path: String,
    /// The file name of a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "menu.pdf", nullable = false)]
    pub(super) filename: Option<String>,
}

/// Meta's name of a media type.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = QuickReplyMediaKind)]
pub(super) enum MediaKind {
    Image,
    Video,
    Audio,
    Document,
}

/// A quick reply to be created. It needs `content`, `media`, or both.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuickReply {
    scope: Option<Scope>,
    /// 1 to 40 letters, digits, hyphens and underscores, with or without a leading `/`.
    #[schema(example = "/halo")]
    shortcut: String,
    #[serde(default)]
    #[schema(example = "Sapaan")]
    title: String,
    #[serde(default)]
    #[schema(example = "Halo {{contact.name}}, saya {{agent.name}}.")]
    content: String,
    category: Option<String>,
    media: Option<QuickReplyMedia>,
}

/// Changes to a quick reply. Fields that are left out stay as they are. Null removes `category` or `media`.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuickReplyChanges {
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shortcut: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Sapaan")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// Null removes the category.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<String>)]
    category: Option<Option<String>>,
    /// Null removes the file.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<QuickReplyMedia>)]
    media: Option<Option<QuickReplyMedia>>,
}

impl From<NewQuickReply> for QuickReplyChanges {
    fn from(reply: NewQuickReply) -> Self {
        Self {
            scope: Some(reply.scope.unwrap_or(Scope::Shared)),
            shortcut: Some(reply.shortcut),
            title: Some(reply.title),
            content: Some(reply.content),
            category: Some(reply.category),
            media: Some(reply.media),
        }
    }
}

impl QuickReplyChanges {
    /// The changes as they are stored. The database checks shortcuts, variables and files.
    pub(super) fn checked(mut self) -> Result<Self, ApiError> {
        if let Some(shortcut) = &self.shortcut {
            self.shortcut = Some(required_text("shortcut", shortcut, 41)?);
        }
        if let Some(title) = &self.title {
            self.title = Some(optional_text("title", title, 100)?);
        }
        if let Some(content) = &self.content {
            self.content = Some(optional_text("content", content, 4096)?);
        }
        if let Some(Some(category)) = &self.category {
            self.category = Some(Some(optional_text("category", category, 50)?));
        }
        if let Some(Some(media)) = &mut self.media {
            media.path = required_text("media.path", &media.path, 300)?;
            if let Some(name) = &media.filename {
                media.filename = Some(required_text("media.filename", name, 240)?);
            }
        }
        Ok(self)
    }
}

/// `/api/quick-replies/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_quick_reply, update_quick_reply, delete_quick_reply))
}

/// Get one quick reply.
///
/// Shared quick replies and the caller's own ones can be read.
#[utoipa::path(
    get, path = "/api/quick-replies/{id}", tag = "quick-replies",
    params(("id" = Uuid, Path, description = "The id of the quick reply")),
    responses((status = 200, body = QuickReply)),
)]
pub(crate) async fn get_quick_reply(
    permitted: Permitted<QuickRepliesView>,
    PathId(id): PathId,
) -> Result<Json<QuickReply>, ApiError> {
    let reply: Option<QuickReply> = permitted
        .caller
        .database()
        .rpc("get_quick_reply", &json!({ "quick_reply_id": id }))
        .await?;
    reply.map(Json).ok_or_else(ApiError::not_found)
}

/// Change a quick reply.
///
/// `quick_replies.create` allows to change one's own quick replies, `quick_replies.update` the shared ones. Fields that
/// are left out stay as they are.
#[utoipa::path(
    patch, path = "/api/quick-replies/{id}", tag = "quick-replies",
    params(("id" = Uuid, Path, description = "The id of the quick reply")),
    request_body = QuickReplyChanges,
    responses(
        (status = 200, body = QuickReply),
        (status = 409, description = "shortcut_taken"),
        (status = 422, description = "unknown_variable"),
    ),
)]
pub(crate) async fn update_quick_reply(
    permitted: Permitted<AnyOf<(QuickRepliesCreate, QuickRepliesUpdate)>>,
    PathId(id): PathId,
    JsonBody(changes): JsonBody<QuickReplyChanges>,
) -> Result<Json<QuickReply>, ApiError> {
    let arguments = json!({ "quick_reply_id": id, "changes": changes.checked()? });
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("save_quick_reply", &arguments)
            .await?,
    ))
}

/// Delete a quick reply.
///
/// `quick_replies.create` allows to delete one's own quick replies, `quick_replies.delete` the shared ones.
#[utoipa::path(
    delete, path = "/api/quick-replies/{id}", tag = "quick-replies",
    params(("id" = Uuid, Path, description = "The id of the quick reply")),
    responses((status = 204)),
)]
pub(crate) async fn delete_quick_reply(
    permitted: Permitted<AnyOf<(QuickRepliesCreate, QuickRepliesDelete)>>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    let () = permitted
        .caller
        .database()
        .rpc("delete_quick_reply", &json!({ "quick_reply_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_removes_a_value_and_absence_keeps_it() {
        let changes = |json: &str| json!(serde_json::from_str::<QuickReplyChanges>(json).unwrap());
        assert_eq!(changes("{}"), json!({}));
        assert_eq!(
            changes(r#"{"category": null, "media": null, "title": "x"}"#),
            json!({"category": null, "media": null, "title": "x"})
        );
        assert!(serde_json::from_str::<QuickReplyChanges>(r#"{"scope": "shared"}"#).is_err());
    }
}
