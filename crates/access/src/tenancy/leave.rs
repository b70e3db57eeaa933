//! `POST /api/auth/leave`: a person ends their own membership.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_keys::KeptKeys;
use crm_core::caller::Caller;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::OptionalJsonBody;
use crm_core::routes;

/// What happens to what the person leaves.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Departure {
    /// Whether API keys that the person has created go on. Required if any of them works.
    api_keys: Option<KeptKeys>,
}

/// `/api/auth/leave`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(leave_organisation))
}

/// Leave the organisation.
///
/// Ends the caller's membership at once. The account stays, and can create or join another organisation. What the caller
/// did stays in the organisation; their open conversations become unassigned, and their open invitations are withdrawn.
/// The organisation can bring the person back only by another invitation. The last Super Admin cannot leave.
#[utoipa::path(
    post, path = "/api/auth/leave", tag = "auth",
    request_body = Departure,
    responses(
        (status = 204),
        (status = 403, description = "forbidden"),
        (status = 409, description = "last_super_admin, api_keys_undecided"),
    ),
)]
pub(crate) async fn leave_organisation(
    caller: Caller,
    OptionalJsonBody(departure): OptionalJsonBody<Departure>,
) -> Result<StatusCode, ApiError> {
    caller.database().rpc::<()>("leave_tenant", &departure).await?;
    Ok(StatusCode::NO_CONTENT)
}
