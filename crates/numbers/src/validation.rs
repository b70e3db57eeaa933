//! Checks with Meta before a number is connected: the number exists, its account owns it, and the token works.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;
use whatsapp::client::{NumberHealth, SystemToken};

use super::meta_refusal::{Asked, refusal};
use super::number::ConnectedNumber;
use crm_core::app::App;
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use crm_core::text::Text;
use crm_core::token_seal::SealedToken;

/// A number to be connected, with its token.
pub(super) struct Candidate {
    pub(super) session_id: Uuid,
    pub(super) phone_number_id: String,
    pub(super) business_account_id: String,
    pub(super) name: Option<String>,
    pub(super) token: SystemToken,
    /// Whether the token belongs to the number and is to be stored.
    pub(super) own_token: bool,
    /// The new expiry of the token, if it changes.
    pub(super) token_expires_at: Option<Option<DateTime<Utc>>>,
    pub(super) pin: Option<String>,
}

impl Candidate {
    /// Checks everything with Meta, registers and subscribes the number, and stores it for the caller's tenant.
    pub(super) async fn connect(self, app: &App, caller: &Caller) -> Result<ConnectedNumber, ApiError> {
        let sealed = self.sealed(app)?;
        let health = self.check(app).await?;
        if let Some(pin) = &self.pin {
            let number = app.graph().number(&self.phone_number_id, &self.token);
            number
                .register(pin)
                .await
                .map_err(|error| refusal(&error, Asked::Registration))?;
        }
        let account = app
            .graph()
            .business_account(&self.business_account_id, &self.token);
        account
            .subscribe()
            .await
            .map_err(|error| refusal(&error, Asked::Subscription))?;

        let arguments = json!({
            "actor": caller.access.user_id,
            "tenant_id": caller.access.tenant.id,
            "session_id": self.session_id,
            "phone_number_id": self.phone_number_id,
            "business_account_id": self.business_account_id,
            "name": self.name,
            "health": health,
            "sealed": sealed,
            "expiry": self.token_expires_at.map(|time| json!({ "at": time })),
        });
        Ok(caller.service().rpc("connect_number", &arguments).await?)
    }

    fn sealed(&self, app: &App) -> Result<Option<SealedToken>, ApiError> {
        if !self.own_token {
            return Ok(None);
        }
        let keys = app.config().token_keys.as_ref().ok_or_else(no_key)?;
        keys.seal(self.session_id, &self.token)
            .map(Some)
            .map_err(|error| ApiError::internal(error.to_string()))
    }

    async fn check(&self, app: &App) -> Result<NumberHealth, ApiError> {
        let number = app.graph().number(&self.phone_number_id, &self.token);
        let health = number
            .health()
            .await
            .map_err(|error| refusal(&error, Asked::Number))?;
        let account = app
            .graph()
            .business_account(&self.business_account_id, &self.token);
        let numbers = account
            .phone_numbers()
            .await
            .map_err(|error| refusal(&error, Asked::BusinessAccount))?;
        if numbers.iter().any(|known| known.id == self.phone_number_id) {
            return Ok(health);
        }
        Err(ApiError::field(
            "business_account_id",
            Text::new(
                "does not have this phone number",
                "tidak memiliki nomor telepon ini",
            ),
        ))
    }
}

/// Without a key a token could only be stored unencrypted.
fn no_key() -> ApiError {
    ApiError::new(
        axum::http::StatusCode::CONFLICT,
        "token_key_missing",
        Text::new(
            "This installation cannot store access tokens: TOKEN_ENCRYPTION_KEY is not set.",
            "Instalasi ini tidak dapat menyimpan token akses: TOKEN_ENCRYPTION_KEY belum diatur.",
        ),
    )
}

/// Reads a token as a person typed it.
pub(super) fn parse_token(token: &str) -> Result<SystemToken, ApiError> {
    SystemToken::parse(token)
        .map_err(|_| ApiError::field("token", Text::new("is not an access token", "bukan token akses")))
}

/// Refuses a token that has already expired.
pub(super) fn check_expiry(time: Option<DateTime<Utc>>) -> Result<(), ApiError> {
    if time.is_none_or(|time| time > Utc::now()) {
        return Ok(());
    }
    Err(ApiError::field(
        "token_expires_at",
        Text::new("must be in the future", "harus di masa depan"),
    ))
}

/// Checks that the PIN of two-step verification has six digits.
pub(super) fn check_pin(pin: Option<&str>) -> Result<(), ApiError> {
    match pin {
        Some(pin) if pin.len() != 6 || !pin.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(ApiError::field(
                "pin",
                Text::new("must have six digits", "harus terdiri dari enam angka"),
            ))
        }
        _ => Ok(()),
    }
}
