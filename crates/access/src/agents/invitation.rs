//! `POST /api/agents`: adds a person to the organisation.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use supabase::auth::NewUser;
use utoipa::ToSchema;
use uuid::Uuid;

use super::agent_details::Agent;
use crate::tenancy::tenant::Locale;
use crm_core::app::App;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{email, optional_text};
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::AgentsCreate;
use crm_core::routes;
use crm_core::text::Text;

/// A person to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAgent {
    #[schema(example = "putri@kopi.test")]
    email: String,
    #[serde(default)]
    #[schema(example = "Putri Ayu")]
    display_name: String,
    /// At least one role, each below the caller's own level.
    role_ids: Vec<Uuid>,
    locale: Option<Locale>,
    /// With a password the account works at once. Without one Auth sends a mail with a link to sign in.
    password: Option<String>,
}

/// The answer of `invite_agent`.
#[derive(Deserialize)]
struct Invitation {
    invitation_id: Uuid,
    registered_user_id: Option<Uuid>,
    unconfirmed_user_id: Option<Uuid>,
}

pub(super) fn router() -> Routes {
    Routes::new().routes(routes!(invite_agent))
}

/// Add a person to the organisation.
///
/// Without a password Supabase Auth sends an invitation with a link to sign in. With a password the account works at
/// once. The caller can only give roles below their own level whose permissions they hold themselves.
#[utoipa::path(
    post, path = "/api/agents", tag = "agents",
    request_body = NewAgent,
    responses(
        (status = 201, body = Agent),
        (status = 403, description = "role_too_high, permission_not_held"),
        (status = 409, description = "email_taken"),
    ),
)]
pub(crate) async fn invite_agent(
    State(app): State<App>,
    permitted: Permitted<AgentsCreate>,
    JsonBody(agent): JsonBody<NewAgent>,
) -> Result<(StatusCode, Json<Agent>), ApiError> {
    let address = email("email", &agent.email)?;
    if let Some(password) = &agent.password {
        check_password(password)?;
    }
    let arguments = json!({
        "email": address,
        "display_name": optional_text("display_name", &agent.display_name, 200)?,
        "role_ids": agent.role_ids,
        "locale": agent.locale,
    });
    let caller = permitted.caller;
    let invitation: Invitation = caller.database().rpc("invite_agent", &arguments).await?;
    let joined = join(&app, &caller, &invitation, &address, agent.password).await;
    if joined.is_err() {
        let arguments = json!({ "invitation_id": invitation.invitation_id });
        if let Err(error) = caller
            .database()
            .rpc::<()>("withdraw_invitation", &arguments)
            .await
        {
            log::warn!(
                "invitation {} stays open: {}",
                invitation.invitation_id,
                error.code()
            );
        }
    }
    Ok(created(joined?))
}

/// Refuses passwords that Auth would not measure when an administrator sets them. Auth uses only the first 72 bytes.
fn check_password(password: &str) -> Result<(), ApiError> {
    if password.chars().count() >= 8 && password.len() <= 72 {
        return Ok(());
    }
    Err(ApiError::field(
        "password",
        Text::new(
            "must have 8 to 72 characters",
            "harus terdiri dari 8 sampai 72 karakter",
        ),
    ))
}

async fn join(
    app: &App,
    caller: &Caller,
    invitation: &Invitation,
    address: &str,
    password: Option<String>,
) -> Result<Agent, ApiError> {
    let auth = app.supabase().auth_admin();
    if let Some(id) = invitation.unconfirmed_user_id {
        // A person signed up with this address and never confirmed it. Their account must not become a member.
        auth.delete_user(id).await?;
    }
    let (user_id, is_new) = match (invitation.registered_user_id, password) {
        (Some(id), _) => (id, false),
        (None, Some(password)) => {
            let user = NewUser {
                email: address.to_owned(),
                password: Some(password),
                email_confirm: true,
            };
            (auth.create_user(&user).await?.id, true)
        }
        (None, None) => {
            let home = app.config().app_url.as_deref();
            (auth.invite(address, home).await?.id, true)
        }
    };
    let arguments = json!({ "invitation_id": invitation.invitation_id, "user_id": user_id });
    match caller.service().rpc("complete_invitation", &arguments).await {
        Ok(agent) => Ok(agent),
        Err(error) => {
            if is_new && let Err(left) = auth.delete_user(user_id).await {
                log::error!("account {user_id} stays without a tenant: {}", left.source_text());
            }
            Err(error.into())
        }
    }
}
