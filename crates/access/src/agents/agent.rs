//! `GET`, `PATCH` and `DELETE /api/agents/{id}`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::agent_details::Agent;
use crate::tenancy::tenant::Locale;
use crm_core::app::App;
use crm_core::caller::{AnyOf, Caller, Permitted};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::field_rules::optional_text;
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::path_id::PathId;
use crm_core::permissions::{AgentsAssign, AgentsDelete, AgentsUpdate, AgentsView, ProfileUpdate};

/// A hundred years: until somebody lifts it.
const BANNED: &str = "876000h";

/// What to change; what is not named stays. On oneself: name, language and availability only.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentChanges {
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<Locale>,
    /// False: they lose access, and every session, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<bool>,
    /// One's own, or with `agents.assign` anybody's.
    #[serde(skip_serializing_if = "Option::is_none")]
    availability: Option<Availability>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_ids: Option<Vec<Uuid>>,
    /// Who gets their open conversations. Without it those of somebody deactivated become unassigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    reassign_to: Option<Uuid>,
}

/// Whether somebody is given conversations by themselves.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Availability {
    Online,
    Busy,
    Offline,
}

/// Who gets the conversations of somebody who leaves.
#[derive(Deserialize)]
pub(crate) struct Successor {
    reassign_to: Option<Uuid>,
}

/// `/api/agents/{id}`.
pub fn router() -> Router<App> {
    Router::new().route(
        "/api/agents/{id}",
        get(get_agent).patch(update_agent).delete(deactivate_agent),
    )
}

/// One person of the tenant.
#[utoipa::path(
    get, path = "/api/agents/{id}", tag = "agents", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Agent), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
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

/// Changes a person of lower level, anybody's availability, or one's own name, language and availability.
#[utoipa::path(
    patch, path = "/api/agents/{id}", tag = "agents", security(("bearer" = [])), params(("id" = Uuid, Path)),
    request_body = AgentChanges,
    responses(
        (status = 200, body = Agent), (status = 401, body = ErrorBody),
        (status = 403, description = "`forbidden`, `own_account`, `role_too_high` or `permission_not_held`", body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`last_super_admin`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn update_agent(
    State(app): State<App>,
    permitted: Permitted<AnyOf<(ProfileUpdate, AgentsUpdate, AgentsDelete, AgentsAssign)>>,
    PathId(id): PathId,
    JsonBody(mut changes): JsonBody<AgentChanges>,
) -> Result<Json<Agent>, ApiError> {
    if let Some(name) = &changes.display_name {
        changes.display_name = Some(optional_text("display_name", name, 200)?);
    }
    change(&app, &permitted.caller, id, &changes).await
}

/// Deactivates a person of lower level: access and sessions end at once, what they did stays.
#[utoipa::path(
    delete, path = "/api/agents/{id}", tag = "agents", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path),
        ("reassign_to" = Option<Uuid>, Query, description = "Who gets their open conversations"),
    ),
    responses(
        (status = 200, body = Agent), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 409, description = "`last_super_admin`", body = ErrorBody),
        (status = 422, body = ErrorBody),
    )
)]
pub(crate) async fn deactivate_agent(
    State(app): State<App>,
    permitted: Permitted<AgentsDelete>,
    PathId(id): PathId,
    QueryParameters(Successor { reassign_to }): QueryParameters<Successor>,
) -> Result<Json<Agent>, ApiError> {
    let changes = AgentChanges {
        display_name: None,
        locale: None,
        active: Some(false),
        availability: None,
        role_ids: None,
        reassign_to,
    };
    change(&app, &permitted.caller, id, &changes).await
}

async fn change(
    app: &App,
    caller: &Caller,
    id: Uuid,
    changes: &AgentChanges,
) -> Result<Json<Agent>, ApiError> {
    let arguments = json!({ "user_id": id, "changes": changes });
    let agent: Agent = caller.database().rpc("update_agent", &arguments).await?;
    if let Some(active) = changes.active {
        // The profile already decides; this keeps Auth from giving out tokens that open nothing.
        let ban = if active { "none" } else { BANNED };
        if let Err(error) = app.supabase().auth_admin().ban_user(agent.id, ban).await {
            log::error!(
                "Auth was not told that {id} is active: {active}: {}",
                error.source_text()
            );
            if active {
                return Err(error.into());
            }
        }
    }
    Ok(Json(agent))
}
