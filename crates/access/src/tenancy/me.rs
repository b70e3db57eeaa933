//! `GET /api/auth/me`: who the caller is and what they may do.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crm_core::caller::{Access, Caller};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::routes;

/// The caller: a signed-in person, or an integration.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// The e-mail address of a person.
    #[schema(example = "putri@kopi.test")]
    email: Option<String>,
    #[serde(flatten)]
    access: Access,
}

/// `/api/auth/me`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(me))
}

/// Get the caller.
///
/// The answer says who calls, a person or an API key, with the organisation, the roles, the permissions and the modules
/// as they are now.
#[utoipa::path(get, path = "/api/auth/me", tag = "auth", responses((status = 200, body = Me)))]
pub(crate) async fn me(caller: Caller) -> Result<Json<Me>, ApiError> {
    let access = caller.current_access().await?;
    Ok(Json(Me {
        email: caller.email,
        access: (*access).clone(),
    }))
}
