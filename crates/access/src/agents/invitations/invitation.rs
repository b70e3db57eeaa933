//! `DELETE /api/agents/invitations/{id}`.

use axum::http::StatusCode;
use serde_json::json;

use crm_core::caller::{AnyOf, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::{AgentsCreate, AgentsDelete};
use crm_core::routes;

/// `/api/agents/invitations/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(withdraw_invitation))
}

/// Withdraw an invitation.
///
/// Its link ends at once. The caller must be above the roles of the invitation.
#[utoipa::path(
    delete, path = "/api/agents/invitations/{id}", tag = "agents",
    params(("id" = Uuid, Path, description = "The id of the invitation")),
    responses(
        (status = 204),
        (status = 403, description = "role_too_high"),
    ),
)]
pub(crate) async fn withdraw_invitation(
    permitted: Permitted<AnyOf<(AgentsCreate, AgentsDelete)>>,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    permitted
        .caller
        .database()
        .rpc::<()>("withdraw_invitation", &json!({ "invitation_id": id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
