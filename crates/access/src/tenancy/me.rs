//! `GET /api/auth/me`: who the caller is and what they may do.

use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::caller::{Access, Caller};
use crm_core::error::{ApiError, ErrorBody};

/// The signed-in person, or the integration.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// Of a person.
    email: Option<String>,
    #[serde(flatten)]
    access: Access,
}

/// `/api/auth/me`.
pub fn router() -> Router<App> {
    Router::new().route("/api/auth/me", get(me))
}

/// Who the caller is: person or key, tenant, roles, permissions and modules, as they are now.
#[utoipa::path(
    get, path = "/api/auth/me", tag = "auth", security(("bearer" = [])),
    responses(
        (status = 200, body = Me),
        (status = 401, description = "No valid access token", body = ErrorBody),
        (status = 403, description = "The account belongs to no tenant or is deactivated", body = ErrorBody),
    )
)]
pub(crate) async fn me(caller: Caller) -> Result<Json<Me>, ApiError> {
    let access = caller.current_access().await?;
    Ok(Json(Me {
        email: caller.email,
        access: (*access).clone(),
    }))
}
