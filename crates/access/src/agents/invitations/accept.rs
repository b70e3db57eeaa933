//! `GET` and `POST /api/agents/invitations/accept`: the invited person reads an invitation and accepts it.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::tenancy::person::Person;
use crate::tenancy::tenant::Locale;
use crm_core::app::App;
use crm_core::caller::{Access, RoleSummary};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::{JsonBody, QueryParameters};
use crm_core::routes;
use crm_core::text::Text;

/// An invitation as the invited person sees it.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct ReceivedInvitation {
    id: Uuid,
    /// The name of the organisation that invites.
    #[schema(example = "Kopi Senja")]
    organisation: String,
    #[schema(example = "putri@kopi.test")]
    email: String,
    #[schema(example = "Putri Ayu")]
    display_name: String,
    locale: Option<Locale>,
    /// The roles that the person gets.
    roles: Vec<RoleSummary>,
    /// Whether accepting takes a new password. It does for an account whose address was confirmed only after an
    /// invitation, because another person may have chosen its password.
    needs_password: bool,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// The token from the link of an invitation.
#[derive(Deserialize, Serialize)]
pub(crate) struct Token {
    token: String,
}

/// An invitation to be accepted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acceptance {
    /// `invitation` in the address to which the link in the mail leads.
    #[schema(example = "0b8f6f0e6a4c4f0b9f2f7c1d2e3a4b5c9d8e7f6a5b4c4d3e8f1a2b3c4d5e6f70")]
    token: String,
    /// A new password for the account, where `needs_password` asks for one. It ends the other sessions of the account.
    password: Option<String>,
}

/// `/api/agents/invitations/accept`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(preview_invitation, accept_invitation))
}

/// Read an invitation that one has received.
///
/// The caller has followed the link in the mail, which signs them in and leads to the product with the token in
/// `invitation`. The confirmed address of the caller must be that of the invitation.
#[utoipa::path(
    get, path = "/api/agents/invitations/accept", tag = "agents",
    params(("token" = String, Query, description = "The token from the link of the mail")),
    responses(
        (status = 200, body = ReceivedInvitation),
        (status = 403, description = "email_not_confirmed, other_address"),
        (status = 404, description = "not_found"),
        (status = 409, description = "already_member, invitation_expired"),
    ),
)]
pub(crate) async fn preview_invitation(
    State(app): State<App>,
    person: Person,
    QueryParameters(Token { token }): QueryParameters<Token>,
) -> Result<Json<ReceivedInvitation>, ApiError> {
    Ok(Json(preview(&app, &person, &token).await?))
}

/// Accept an invitation.
///
/// The caller joins the organisation with the roles of the invitation. The caller is signed in, their confirmed address
/// is that of the invitation, and they belong to no organisation. A person who belongs to one leaves it first
/// (`POST /api/auth/leave`).
#[utoipa::path(
    post, path = "/api/agents/invitations/accept", tag = "agents",
    request_body = Acceptance,
    responses(
        (status = 200, body = Access),
        (status = 403, description = "email_not_confirmed, other_address"),
        (status = 404, description = "not_found"),
        (status = 409, description = "already_member, invitation_expired"),
    ),
)]
pub(crate) async fn accept_invitation(
    State(app): State<App>,
    person: Person,
    JsonBody(Acceptance { token, password }): JsonBody<Acceptance>,
) -> Result<Json<Access>, ApiError> {
    let invitation = preview(&app, &person, &token).await?;
    if invitation.needs_password {
        let password = password.ok_or_else(|| ApiError::required("password"))?;
        check_password(&password)?;
        app.supabase().account(&person.0).set_password(&password).await?;
    } else if password.is_some() {
        return Err(ApiError::field(
            "password",
            Text::new("stays as it is", "tidak perlu diganti"),
        ));
    }
    let database = app.supabase().as_user(&person.0);
    Ok(Json(
        database
            .rpc("accept_invitation", &json!({ "token": token }))
            .await?,
    ))
}

async fn preview(app: &App, person: &Person, token: &str) -> Result<ReceivedInvitation, ApiError> {
    let database = app.supabase().as_user(&person.0);
    Ok(database
        .rpc("preview_invitation", &json!({ "token": token }))
        .await?)
}

/// Checks the length of a password. Auth uses only the first 72 bytes of a password.
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
