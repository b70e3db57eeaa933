//! `POST /api/agents`: invites a person into the organisation.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::invitation_details::Invitation;
use super::invitation_mail::InvitationMail;
use crate::tenancy::tenant::Locale;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::{email, optional_text};
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::AgentsCreate;
use crm_core::routes;

/// A person to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAgent {
    /// Up to 254 characters.
    #[schema(example = "putri@kopi.test")]
    email: String,
    #[serde(default)]
    #[schema(example = "Putri Ayu")]
    display_name: String,
    /// At least one role, each below the caller's own level.
    role_ids: Vec<Uuid>,
    locale: Option<Locale>,
}

pub(crate) fn router() -> Routes {
    Routes::new().routes(routes!(invite_agent))
}

/// Invite a person into the organisation.
///
/// Supabase Auth mails the owner of the address a link, with which they join and set their own password. It ends after
/// seven days. The answer is the same whether or not the address has an account. Inviting an address again renews its
/// open invitation. At most 100 invitations can be open, and 200 can be mailed in a day, one a minute to an address.
/// The caller can only give roles below their own level whose permissions they hold themselves.
#[utoipa::path(
    post, path = "/api/agents", tag = "agents",
    request_body = NewAgent,
    responses(
        (status = 201, body = Invitation),
        (status = 403, description = "role_too_high, permission_not_held"),
        (status = 409, description = "email_taken, too_many"),
    ),
)]
pub(crate) async fn invite_agent(
    State(app): State<App>,
    background: Background,
    permitted: Permitted<AgentsCreate>,
    JsonBody(agent): JsonBody<NewAgent>,
) -> Result<(StatusCode, Json<Invitation>), ApiError> {
    let arguments = json!({
        "email": email("email", &agent.email)?,
        "display_name": optional_text("display_name", &agent.display_name, 200)?,
        "role_ids": agent.role_ids,
        "locale": agent.locale,
    });
    let mail = InvitationMail::of(&app)?;
    let invitation: Invitation = permitted
        .caller
        .database()
        .rpc("invite_agent", &arguments)
        .await?;
    background.run(mail.send(invitation.id));
    Ok(created(invitation))
}
