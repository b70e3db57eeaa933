//! `DELETE /api/api-keys/{id}`.

use axum::routing::delete;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::caller::{Permitted, RoleSummary};
use crm_core::error::{ApiError, ErrorBody};
use crm_core::path_id::PathId;
use crm_core::permissions::ApiKeysRevoke;

/// A key, without what opens it.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKey {
    id: Uuid,
    name: String,
    /// How the key begins.
    #[schema(example = "crm_1f0e9d8c")]
    prefix: String,
    role: RoleSummary,
    status: ApiKeyStatus,
    /// The person who made it.
    created_by: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// Null: it does not expire.
    expires_at: Option<DateTime<Utc>>,
    /// To about a quarter of a minute.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// Whether a key opens anything.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ApiKeyStatus {
    Active,
    Expired,
    Revoked,
}

/// `/api/api-keys/{id}`.
pub fn router() -> Router<App> {
    Router::new().route("/api/api-keys/{id}", delete(revoke_api_key))
}

/// Ends a key at once. It stays in the list.
#[utoipa::path(
    delete, path = "/api/api-keys/{id}", tag = "api-keys", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = ApiKey), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody),
    )
)]
pub(crate) async fn revoke_api_key(
    permitted: Permitted<ApiKeysRevoke>,
    PathId(id): PathId,
) -> Result<Json<ApiKey>, ApiError> {
    Ok(Json(
        permitted
            .caller
            .database()
            .rpc("revoke_api_key", &json!({ "key_id": id }))
            .await?,
    ))
}
