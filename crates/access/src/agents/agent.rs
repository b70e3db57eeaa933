//! `GET`, `PATCH` and `DELETE /api/agents/{id}`.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::agent_details::Agent;
use crate::api_keys::KeptKeys;
use crate::tenancy::tenant::Locale;
use crm_core::caller::{AnyOf, Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::path_id::PathId;
use crm_core::permissions::{AgentsAssign, AgentsDelete, AgentsUpdate, AgentsView, ProfileUpdate};
use crm_core::routes;

/// Changes to a person. Fields that are left out stay as they are. People can change their own name, language and
/// availability.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Putri Ayu")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<Locale>,
    /// False deactivates the person: they lose access and the sessions of the membership at once. Their account stays.
    /// True takes back a person who was deactivated and has not left.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    /// Everybody can change their own availability; changing that of others takes `agents.assign`.
    #[serde(skip_serializing_if = "Option::is_none")]
    availability: Option<Availability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_ids: Option<Vec<Uuid>>,
    /// The person who gets their open conversations. Without it the conversations of a deactivated person become
    /// unassigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    reassign_to: Option<Uuid>,
    /// With `active: false`: whether API keys that the person has created go on. Required if any of them works.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_keys: Option<KeptKeys>,
}

/// Whether automatic assignment gives a person conversations.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Availability {
    Online,
    Busy,
    Offline,
}

/// What happens to the conversations and the API keys of a deactivated person.
#[derive(Deserialize)]
pub(crate) struct Succession {
    reassign_to: Option<Uuid>,
    api_keys: Option<KeptKeys>,
}

/// `/api/agents/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(get_agent, update_agent, deactivate_agent))
}

/// Get one person of the organisation.
///
/// The answer has the person's roles, their availability and how many conversations they have open.
#[utoipa::path(
    get, path = "/api/agents/{id}", tag = "agents",
    params(("id" = Uuid, Path, description = "The id of the person")),
    responses((status = 200, body = Agent)),
)]
pub(crate) async fn get_agent(
    permitted: Permitted<AgentsView>,
    PathId(id): PathId,
) -> Result<Json<Agent>, ApiError> {
    let agent: Option<Agent> = permitted
        .caller
        .database()
        .rpc("get_agent", &json!({ "user_id": id }))
        .await?;
    agent.map(Json).ok_or_else(ApiError::not_found)
}

/// Change a person.
///
/// `agents.update` changes people of a lower level. `agents.assign` changes the availability of anybody. Without
/// either, callers can change their own name, language and availability. Fields that are left out stay as they are.
#[utoipa::path(
    patch, path = "/api/agents/{id}", tag = "agents",
    params(("id" = Uuid, Path, description = "The id of the person")),
    request_body = AgentChanges,
    responses(
        (status = 200, body = Agent),
        (status = 403, description = "own_account, role_too_high, permission_not_held"),
        (status = 409, description = "last_super_admin, person_left, api_keys_undecided"),
    ),
)]
pub(crate) async fn update_agent(
    permitted: Permitted<AnyOf<(ProfileUpdate, AgentsUpdate, AgentsDelete, AgentsAssign)>>,
    PathId(id): PathId,
    JsonBody(mut changes): JsonBody<AgentChanges>,
) -> Result<Json<Agent>, ApiError> {
    if let Some(name) = &changes.display_name {
        changes.display_name = Some(optional_text("display_name", name, 200)?);
    }
    change(&permitted.caller, id, &changes).await
}

/// Deactivate a person.
///
/// Ends the membership and its sessions at once. The account stays the person's own, for another organisation. What
/// they did stays. Their open conversations go to `reassign_to`, or become unassigned, and the invitations that they
/// have left open are withdrawn.
#[utoipa::path(
    delete, path = "/api/agents/{id}", tag = "agents",
    params(
        ("id" = Uuid, Path, description = "The id of the person"),
        ("reassign_to" = Option<Uuid>, Query, description = "The person who gets the open conversations"),
        ("api_keys" = Option<KeptKeys>, Query, description = "Whether API keys that the person has created go on; required if any of them works"),
    ),
    responses(
        (status = 200, body = Agent),
        (status = 403, description = "own_account, role_too_high, permission_not_held"),
        (status = 409, description = "last_super_admin, api_keys_undecided"),
    ),
)]
pub(crate) async fn deactivate_agent(
    permitted: Permitted<AgentsDelete>,
    PathId(id): PathId,
    QueryParameters(Succession {
        reassign_to,
        api_keys,
    }): QueryParameters<Succession>,
) -> Result<Json<Agent>, ApiError> {
    let changes = AgentChanges {
        display_name: None,
        locale: None,
        active: Some(false),
        availability: None,
        role_ids: None,
        reassign_to,
        api_keys,
    };
    change(&permitted.caller, id, &changes).await
}

async fn change(caller: &Caller, id: Uuid, changes: &AgentChanges) -> Result<Json<Agent>, ApiError> {
    let arguments = json!({ "user_id": id, "changes": changes });
    Ok(Json(caller.database().rpc("update_agent", &arguments).await?))
}
