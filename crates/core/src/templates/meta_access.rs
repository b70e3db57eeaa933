//! The token with which an account's templates are managed.

use uuid::Uuid;
use whatsapp::client::SystemToken;

use crate::app::App;
use crate::error::ApiError;

/// The token of a number of the account.
#[expect(clippy::unused_async, reason = "tokens of numbers are read from the database")]
pub(super) async fn token(app: &App, _session_id: Uuid) -> Result<SystemToken, ApiError> {
    Ok(app.config().meta_token.clone())
}
