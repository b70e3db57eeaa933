//! `DELETE /api/api-keys/{id}`.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crm_core::caller::{Permitted, RoleSummary};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::ApiKeysRevoke;
use crm_core::routes;

/// An API key as clients see it, without the secret.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKey {
    id: Uuid,
    #[schema(example = "Web shop")]
    name: String,
    /// The first characters of the key.
    #[schema(example = "crm_1f0e9d8c")]
    prefix: String,
    role: RoleSummary,
    status: ApiKeyStatus,
    /// The person who made it.
    created_by: Option<Uuid>,
    /// Whether that person is an active member. The key of a person who is gone goes on until it is revoked.
    created_by_active: Option<bool>,
    created_at: DateTime<Utc>,
    /// When the key expires; null: never.
    expires_at: Option<DateTime<Utc>>,
    /// When the key was last used, to about 15 seconds.
    last_used_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// Whether the key is valid.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ApiKeyStatus {
    Active,
    Expired,
    Revoked,
}

/// `/api/api-keys/{id}`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(revoke_api_key))
}

/// Revoke an API key.
///
/// The key stops working at once and stays in the list. Revoking it again changes nothing.
#[utoipa::path(
    delete, path = "/api/api-keys/{id}", tag = "api-keys",
    params(("id" = Uuid, Path, description = "The id of the API key")),
    responses((status = 200, body = ApiKey)),
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
