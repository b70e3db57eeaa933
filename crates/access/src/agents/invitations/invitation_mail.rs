//! The mail of an invitation, which Auth sends.

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;
use supabase::auth::AuthError;
use uuid::Uuid;

use crm_core::app::App;
use crm_core::error::ApiError;

/// Sends mails after the answer, so that a tenant cannot tell by the time or the outcome of a request whether an address
/// has an account.
pub(super) struct InvitationMail {
    app: App,
    home: Url,
}

/// The answer of `prepare_invitation_mail`.
#[derive(Deserialize)]
struct Prepared {
    email: String,
    token: String,
    confirmed: bool,
}

impl InvitationMail {
    /// Fails without an address of the product to which links can lead.
    pub(super) fn of(app: &App) -> Result<Self, ApiError> {
        let config = app.config();
        let home = config.app_url.as_ref().or(config.own_address.as_ref());
        let home = home
            .and_then(|address| Url::parse(address).ok())
            .ok_or_else(|| ApiError::unavailable("NEXT_PUBLIC_APP_URL is not set: invitations lead there"))?;
        Ok(Self {
            app: app.clone(),
            home,
        })
    }

    /// Has Auth send the mail. If it does not, the invitation stays without `mailed_at`, and can be sent again.
    pub(super) async fn send(self, invitation: Uuid) {
        if let Err(reason) = self.try_to_send(invitation).await {
            log::error!("invitation {invitation} was not mailed: {reason}");
        }
    }

    async fn try_to_send(&self, invitation: Uuid) -> Result<(), String> {
        let service = self.app.supabase().as_service();
        let arguments = json!({ "invitation_id": invitation });
        let prepared: Option<Prepared> = service
            .rpc("prepare_invitation_mail", &arguments)
            .await
            .map_err(|error| error.source_text().to_owned())?;
        let Some(prepared) = prepared else {
            return Ok(());
        };
        match self.hand_to_auth(&prepared).await {
            Ok(()) => {}
            Err(
                error @ (AuthError::Unavailable(_) | AuthError::RateLimited(_) | AuthError::Unexpected(_)),
            ) => {
                return Err(error.source_text().to_owned());
            }
            // It depends on the account, so it must not show.
            Err(error) => log::warn!(
                "Auth did not mail invitation {invitation}: {}",
                error.source_text()
            ),
        }
        service
            .rpc::<()>("record_invitation_mail", &arguments)
            .await
            .map_err(|error| error.source_text().to_owned())
    }

    async fn hand_to_auth(&self, prepared: &Prepared) -> Result<(), AuthError> {
        let mut target = self.home.clone();
        target
            .query_pairs_mut()
            .append_pair("invitation", &prepared.token);
        let mails = self.app.supabase().auth_mails();
        if !prepared.confirmed {
            match mails.send_invitation(&prepared.email, target.as_str()).await {
                // Its owner has confirmed the address meanwhile.
                Err(AuthError::EmailTaken(_)) => {}
                sent => return sent,
            }
        }
        mails.send_sign_in_link(&prepared.email, target.as_str()).await
    }
}
