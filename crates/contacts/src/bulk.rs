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

/// An action, and the contacts it applies to: those in `ids`, those that pass `filter`, or with `all` every contact.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ContactBulk)]
pub(crate) struct BulkAction {
    /// The ids of contacts. Those that the caller may not see are skipped.
    #[schema(max_items = 500)]
    ids: Option<Vec<Uuid>>,
    /// A filter with at least one condition.
    filter: Option<ContactFilter>,
    /// Whether the action applies to every contact that the caller may see.
    #[serde(default)]
    all: bool,
    /// The number of contacts that the action must find; it does nothing if it finds another one. `delete` by filter
    /// or with `all` needs it.
    #[schema(minimum = 0, example = 42)]
    expected_count: Option<u32>,
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
/// The action applies to the contacts in `ids`, to all contacts that pass `filter`, or with `all` to every contact. A
/// filter without a condition is refused. Deleting by filter or with `all` needs `expected_count`. Contacts that the
/// caller may not see are skipped. Labels need `labels.assign`, deleting needs `contacts.delete`, everything else needs
/// `contacts.update`.
#[utoipa::path(
    post, path = "/api/crm/contacts/bulk", tag = "contacts",
    request_body(content = BulkAction, example = json!({"filter": {"tag": "grosir"}, "action": "add_tags", "tags": ["2026"]})),
    responses((status = 200, body = BulkOutcome), (status = 409, description = "count_differs"),
        (status = 422, description = "invalid_filter")),
)]
pub(crate) async fn change_contacts(
    State(app): State<App>,
    permitted: Permitted<AnyOf<(ContactsUpdate, LabelsAssign, ContactsDelete)>>,
    background: Background,
    JsonBody(bulk): JsonBody<BulkAction>,
) -> Result<Json<BulkOutcome>, ApiError> {
    let caller = permitted.caller;
    let (ids, filter) = chosen(bulk.ids, bulk.filter, bulk.all)?;
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
            let arguments = json!({
                "contact_ids": ids, "filter": filter, "everyone": bulk.all, "expected_count": bulk.expected_count,
            });
            let database = caller.database().with_time_limit(TIME_LIMIT);
            let outcome = database.rpc("delete_contacts", &arguments).await?;
            background.run(async move { erased_files::remove_soon(&app).await });
            return Ok(Json(outcome));
        }
    };
    let arguments = json!({
        "contact_ids": ids, "filter": filter, "action": bulk.action, "options": options,
        "everyone": bulk.all, "expected_count": bulk.expected_count,
    });
    let database = caller.database().with_time_limit(TIME_LIMIT);
    Ok(Json(database.rpc("change_contacts", &arguments).await?))
}

/// Exactly one of the three: a request without a selection must not mean every contact. The database checks that the
/// filter has a condition.
fn chosen(
    ids: Option<Vec<Uuid>>,
    filter: Option<ContactFilter>,
    all: bool,
) -> Result<(Value, Value), ApiError> {
    match (ids, filter) {
        (None, None) if all => Ok((Value::Null, Value::Null)),
        _ if all => Err(ApiError::field(
            "all",
            Text::new(
                "cannot be combined with `ids` or `filter`",
                "tidak dapat digabung dengan `ids` atau `filter`",
            ),
        )),
        (Some(ids), None) if ids.len() > MAX_IDS => Err(too_many("ids", MAX_IDS)),
        (Some(ids), None) => Ok((json!(ids), Value::Null)),
        (None, Some(filter)) => Ok((Value::Null, json!(filter.checked()?))),
        _ => Err(ApiError::field(
            "ids",
            Text::new(
                "give one of `ids`, `filter` and `\"all\": true`",
                "berikan salah satu dari `ids`, `filter`, atau `\"all\": true`",
            ),
        )),
    }
}
