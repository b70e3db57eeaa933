//! `POST /api/agents/invitations/{id}/resend`.

use axum::Json;
use axum::extract::State;
use serde_json::json;

use super::invitation_details::Invitation;
use super::invitation_mail::InvitationMail;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::AgentsCreate;
use crm_core::routes;

/// `/api/agents/invitations/{id}/resend`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(resend_invitation))
}

/// Send an invitation again.
///
/// The invitation is open for another seven days. The link of the mail before ends. An address gets at most one mail a
/// minute. The caller must be above the roles of the invitation.
#[utoipa::path(
    post, path = "/api/agents/invitations/{id}/resend", tag = "agents",
    params(("id" = Uuid, Path, description = "The id of the invitation")),
    responses(
        (status = 200, body = Invitation),
        (status = 403, description = "role_too_high"),
    ),
)]
pub(crate) async fn resend_invitation(
    State(app): State<App>,
    background: Background,
    permitted: Permitted<AgentsCreate>,
    PathId(id): PathId,
) -> Result<Json<Invitation>, ApiError> {
    let mail = InvitationMail::of(&app)?;
    let invitation: Invitation = permitted
        .caller
        .database()
        .rpc("resend_invitation", &json!({ "invitation_id": id }))
        .await?;
    background.run(mail.send(invitation.id));
    Ok(Json(invitation))
}
