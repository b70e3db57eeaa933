//! `POST /api/conversations/bulk`: one action on many conversations.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::assignment::Strategy;
use super::conversation::Priority;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::error::{ApiError, ErrorBody};
use crm_core::json_body::JsonBody;
use crm_core::permissions::ConversationsView;
use crm_core::text::Text;

const MAX_IDS: usize = 200;

/// What to do, and with which.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkAction {
    #[schema(min_items = 1, max_items = 200)]
    ids: Vec<Uuid>,
    action: Action,
    /// With `snooze`.
    snoozed_until: Option<DateTime<Utc>>,
    /// With `assign`: this, or `strategy`.
    user_id: Option<Uuid>,
    strategy: Option<Strategy>,
    /// With `label` and `unlabel`.
    label_ids: Option<Vec<Uuid>>,
    /// With `priority`.
    priority: Option<Priority>,
}

/// What is done with each.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Resolve,
    Reopen,
    Pending,
    Snooze,
    Assign,
    Unassign,
    Label,
    Unlabel,
    Read,
    Unread,
    Priority,
}

/// What became of it.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct BulkOutcome {
    id: Uuid,
    /// `done`, `not_found`, or the code of a refusal.
    outcome: String,
}

/// One for each conversation.
#[derive(Serialize, ToSchema)]
pub(crate) struct BulkOutcomes {
    /// In the order they were asked for.
    data: Vec<BulkOutcome>,
}

/// `/api/conversations/bulk`.
pub fn router() -> Router<App> {
    Router::new().route("/api/conversations/bulk", post(act_on_conversations))
}

/// One action on up to 200 conversations, each with an outcome of its own; the caller needs the right to the action.
/// Meta is not told of what is read this way.
#[utoipa::path(
    post, path = "/api/conversations/bulk", tag = "conversations", security(("bearer" = [])),
    request_body(content = BulkAction, example = json!({"ids": ["<id>"], "action": "resolve"})),
    responses(
        (status = 200, body = BulkOutcomes),
        (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 415, body = ErrorBody), (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn act_on_conversations(
    State(app): State<App>,
    permitted: Permitted<ConversationsView>,
    background: Background,
    JsonBody(bulk): JsonBody<BulkAction>,
) -> Result<Json<BulkOutcomes>, ApiError> {
    if !(1..=MAX_IDS).contains(&bulk.ids.len()) {
        return Err(ApiError::field(
            "ids",
            Text::new("must hold 1 to 200 ids", "harus berisi 1 sampai 200 id"),
        ));
    }
    let arguments = json!({ "ids": bulk.ids, "action": bulk.action, "options": bulk.options()? });
    let database = permitted.caller.database();
    let data = database.rpc("act_on_conversations", &arguments).await?;
    if matches!(bulk.action, Action::Resolve) {
        // the question how it was, where it is asked
        automations::send_soon(&app, &background);
    }
    Ok(Json(BulkOutcomes { data }))
}

impl BulkAction {
    fn options(&self) -> Result<Value, ApiError> {
        let missing = |field: &str| Err(ApiError::required(field));
        match self.action {
            Action::Snooze if self.snoozed_until.is_none() => missing("snoozed_until"),
            Action::Snooze => Ok(json!({ "snoozed_until": self.snoozed_until })),
            Action::Assign if self.user_id.is_some() == self.strategy.is_some() => missing("user_id"),
            Action::Assign => Ok(json!({ "user_id": self.user_id, "strategy": self.strategy })),
            Action::Label | Action::Unlabel if self.label_ids.as_ref().is_none_or(Vec::is_empty) => {
                missing("label_ids")
            }
            Action::Label | Action::Unlabel => Ok(json!({ "label_ids": self.label_ids })),
            Action::Priority if self.priority.is_none() => missing("priority"),
            Action::Priority => Ok(json!({ "priority": self.priority })),
            _ => Ok(json!({})),
        }
    }
}
