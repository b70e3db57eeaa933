//! `GET /api/auth/me`: who the caller is and what they may do.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::json;
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
    /// Where a person hears changes live. Null for an API key.
    live: Option<Live>,
}

/// The private Realtime topics of the caller.
///
/// A change of rights in the organisation renews the epoch: the old topics fall silent, after the event `access.changed`
/// on `tenant:<id>:access:<epoch>`. Then ask again, and join the topics of the answer.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct Live {
    /// The end of the name of each topic, also of `conversation:<id>:<epoch>`.
    #[schema(example = 4711)]
    epoch: i64,
    /// The topics that the caller may join. The first one announces that the epoch is over: join it before the others.
    #[schema(example = json!([
        "tenant:3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10:access:4711",
        "agent:0b0e3f3c-51b0-4f4e-8c7e-1f1b6a3f9f10:4711",
    ]))]
    topics: Vec<String>,
}

/// `/api/auth/me`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(me))
}

/// Get the caller.
///
/// The answer says who calls, a person or an API key, with the organisation, the roles, the permissions and the modules
/// as they are now. `live` has the topics on which a person hears changes.
#[utoipa::path(get, path = "/api/auth/me", tag = "auth", responses((status = 200, body = Me)))]
pub(crate) async fn me(caller: Caller) -> Result<Json<Me>, ApiError> {
    let access = caller.current_access().await?;
    let live = caller.database().rpc("get_live", &json!({})).await?;
    Ok(Json(Me {
        email: caller.email,
        access: (*access).clone(),
        live,
    }))
}
