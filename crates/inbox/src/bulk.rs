//! `POST /api/conversations/bulk`: one action on many conversations.

use axum::Json;
use axum::extract::State;
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
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::ConversationsView;
use crm_core::routes;
use crm_core::text::Text;

const MAX_IDS: usize = 200;

/// An action, and the conversations it applies to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConversationBulk)]
pub(crate) struct BulkAction {
    #[schema(min_items = 1, max_items = 200)]
    ids: Vec<Uuid>,
    action: Action,
    /// The end of `snooze`.
    snoozed_until: Option<DateTime<Utc>>,
    /// The person for `assign`, in the place of `strategy`.
    user_id: Option<Uuid>,
    strategy: Option<Strategy>,
    /// The labels for `label` and `unlabel`.
    label_ids: Option<Vec<Uuid>>,
    /// The priority for `priority`.
    priority: Option<Priority>,
}

/// The action on each conversation.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ConversationBulkAction)]
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

/// The result for one conversation.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ConversationBulkOutcome)]
pub(crate) struct BulkOutcome {
    id: Uuid,
    /// `done`, `not_found`, or the code of a refusal.
    #[schema(example = "done")]
    outcome: String,
}

/// The results, one for each conversation.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationBulkOutcomes)]
pub(crate) struct BulkOutcomes {
    /// The results in the order of the ids.
    data: Vec<BulkOutcome>,
}

/// `/api/conversations/bulk`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(act_on_conversations))
}

/// Act on many conversations at once.
///
/// One action applies to up to 200 conversations, and each has an outcome of its own. The caller needs the permission
/// that the action itself needs. Meta is not notified of conversations that are read this way.
#[utoipa::path(
    post, path = "/api/conversations/bulk", tag = "conversations",
    request_body(content = BulkAction, example = json!({"ids": ["3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10"], "action": "resolve"})),
    responses((status = 200, body = BulkOutcomes)),
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
        // the satisfaction question, if it is switched on
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
