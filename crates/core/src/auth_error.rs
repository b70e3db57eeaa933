//! Refusals of Supabase Auth as answers to a client.

use axum::http::StatusCode;
use supabase::auth::AuthError;

use crate::error::ApiError;
use crate::text::Text;

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::EmailTaken(_) => Self::new(
                StatusCode::CONFLICT,
                "email_taken",
                Text::new(
                    "This address already belongs to an account.",
                    "Alamat ini sudah dipakai oleh sebuah akun.",
                ),
            )
            .with_field("email", Text::new("is taken", "sudah dipakai")),
            AuthError::WeakPassword { message } => {
                Self::field("password", Text::new(message, "kata sandi terlalu lemah"))
            }
            AuthError::SamePassword(_) => Self::field(
                "password",
                Text::new(
                    "must differ from the password of the account",
                    "harus berbeda dari kata sandi akun",
                ),
            ),
            AuthError::SignedOut(_) => Self::unauthorized(Text::new(
                "Your session is no longer valid. Please sign in again.",
                "Sesi Anda sudah tidak berlaku. Silakan masuk lagi.",
            )),
            AuthError::NotFound(_) => Self::not_found(),
            AuthError::Invalid(source) => {
                log::warn!("Auth refused a value: {}", source.as_str());
                Self::field("password", Text::new("was refused by Auth", "ditolak oleh Auth"))
            }
            AuthError::RateLimited(source)
            | AuthError::MailedBefore(source)
            | AuthError::Unavailable(source) => Self::unavailable(source.as_str()),
            AuthError::Unexpected(source) => Self::internal(source.as_str()),
        }
    }
}
