//! `POST /api/crm/contacts/bulk`: one action on many contacts.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::contact_filter::ContactFilter;
use super::contact_input::{checked_tags, too_many};
use super::erased_files;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::JsonBody;
use crm_core::permissions::{ContactsDelete, ContactsUpdate, LabelsAssign};
use crm_core::routes;
use crm_core::text::Text;

const MAX_IDS: usize = 500;
/// Time limit of the call: 100,000 contacts take half of it on two cores.
const TIME_LIMIT: Duration = Duration::from_secs(55);

/// An action, and the contacts it applies to: those in `ids`, or those that pass `filter`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ContactBulk)]
pub(crate) struct BulkAction {
    /// The ids of contacts. Those that the caller may not see are skipped.
    #[schema(max_items = 500)]
    ids: Option<Vec<Uuid>>,
    filter: Option<ContactFilter>,
    action: Action,
    /// The tags for `add_tags` and `remove_tags`.
    #[schema(example = json!(["2026"]))]
    tags: Option<Vec<String>>,
    /// The labels for `add_labels` and `remove_labels`.
    label_ids: Option<Vec<Uuid>>,
    /// The owner for `set_owner`. Null removes the owner.
    owner_id: Option<Uuid>,
}

/// The action on each contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ContactBulkAction)]
pub(crate) enum Action {
    AddTags,
    RemoveTags,
    AddLabels,
    RemoveLabels,
    SetOwner,
    Delete,
}

/// The result of the action.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = ContactBulkOutcome)]
pub(crate) struct BulkOutcome {
    /// The number of selected contacts.
    matched: u64,
    /// The number of changed contacts; for labels, of labels added or removed. One request deletes at most 100
    /// contacts: repeat it while this is less than `matched`.
    changed: u64,
}

/// `/api/crm/contacts/bulk`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(change_contacts))
}

/// Change many contacts at once.
///
/// The action applies to the contacts in `ids`, or to all contacts that pass `filter`. Contacts that the caller may not
/// see are skipped. Labels need `labels.assign`, deleting needs `contacts.delete`, everything else needs
/// `contacts.update`.
#[utoipa::path(
    post, path = "/api/crm/contacts/bulk", tag = "contacts",
    request_body(content = BulkAction, example = json!({"filter": {"tag": "grosir"}, "action": "add_tags", "tags": ["2026"]})),
    responses((status = 200, body = BulkOutcome), (status = 422, description = "invalid_filter")),
)]
pub(crate) async fn change_contacts(
    State(app): State<App>,
    permitted: Permitted<AnyOf<(ContactsUpdate, LabelsAssign, ContactsDelete)>>,
    background: Background,
    JsonBody(bulk): JsonBody<BulkAction>,
) -> Result<Json<BulkOutcome>, ApiError> {
    let caller = permitted.caller;
    let (ids, filter) = chosen(bulk.ids, bulk.filter)?;
    let required = |field: &str| ApiError::required(field);
    let options = match bulk.action {
        Action::AddTags | Action::RemoveTags => {
            let tags = bulk
                .tags
                .filter(|tags| !tags.is_empty())
                .ok_or_else(|| required("tags"))?;
            json!({ "tags": checked_tags("tags", &tags)? })
        }
        Action::AddLabels | Action::RemoveLabels => {
            let labels = bulk.label_ids.filter(|labels| !labels.is_empty());
            json!({ "label_ids": labels.ok_or_else(|| required("label_ids"))? })
        }
        Action::SetOwner => json!({ "owner_id": bulk.owner_id }),
        Action::Delete => {
            let arguments = json!({ "contact_ids": ids, "filter": filter });
            let database = caller.database().with_time_limit(TIME_LIMIT);
            let outcome = database.rpc("delete_contacts", &arguments).await?;
            background.run(async move { erased_files::remove_soon(&app).await });
            return Ok(Json(outcome));
        }
    };
    let arguments = json!({
        "contact_ids": ids, "filter": filter, "action": bulk.action, "options": options,
    });
    let database = caller.database().with_time_limit(TIME_LIMIT);
    Ok(Json(database.rpc("change_contacts", &arguments).await?))
}

/// Exactly one of the two: a request without a selection must not mean every contact.
fn chosen(ids: Option<Vec<Uuid>>, filter: Option<ContactFilter>) -> Result<(Value, Value), ApiError> {
    match (ids, filter) {
        (Some(ids), None) if ids.len() > MAX_IDS => Err(too_many("ids", MAX_IDS)),
        (Some(ids), None) => Ok((json!(ids), Value::Null)),
        (None, Some(filter)) => Ok((Value::Null, json!(filter.checked()?))),
        _ => Err(ApiError::field(
            "ids",
            Text::new(
                "give either `ids` or `filter`",
                "berikan `ids` atau `filter`, salah satu saja",
            ),
        )),
    }
}
