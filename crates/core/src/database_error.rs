//! Refusals of the database as answers to a client.

use axum::http::StatusCode;
use supabase::DatabaseError;

use crate::error::ApiError;
use crate::refusals::REFUSALS;
use crate::text::Text;

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Refused {
                status,
                code,
                message,
                field,
            } => refused(status, &code, message, field.as_deref()),
            DatabaseError::Unauthorized(_) => Self::unauthorized(Text::new(
                "Your session is no longer valid. Please sign in again.",
                "Sesi Anda sudah tidak berlaku. Silakan masuk lagi.",
            )),
            DatabaseError::Forbidden(_) => Self::forbidden(),
            DatabaseError::NotFound(_) => Self::not_found(),
            DatabaseError::Conflict { .. } => Self::new(
                StatusCode::CONFLICT,
                "conflict",
                Text::new(
                    "It conflicts with something that already exists.",
                    "Bertentangan dengan data yang sudah ada.",
                ),
            ),
            DatabaseError::Retryable(source) | DatabaseError::Unavailable(source) => {
                Self::unavailable(source.as_str())
            }
            // Handlers check values before the database does. A value that the database refuses is a fault of ours.
            DatabaseError::Invalid(source) | DatabaseError::Unexpected(source) => {
                Self::internal(source.as_str())
            }
        }
    }
}

fn refused(status: u16, code: &str, message: String, fields: Option<&str>) -> ApiError {
    let Some(&(code, status, indonesian)) = REFUSALS.iter().find(|(known, ..)| *known == code) else {
        return ApiError::internal(format!("unknown refusal {status} {code}: {message}"));
    };
    // `private.require` names the permission.
    if code == "forbidden"
        && let Some(key) = message.strip_prefix("You need the permission ")
    {
        let key = format!("`{}`", key.trim_end_matches('.'));
        return ApiError::lacks_permission(&key, &key);
    }
    let text = Text::new(message, indonesian);
    let mut error = ApiError::new(status, code, text.clone());
    if status == StatusCode::TOO_MANY_REQUESTS {
        error = error.retry_after(60);
    }
    // A refusal can name several fields.
    for field in fields.iter().flat_map(|fields| fields.split(',')) {
        error = error.with_field(field, text.clone());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn a_missing_permission_is_named_in_both_languages() {
        let error = refused(
            403,
            "forbidden",
            "You need the permission notes.view.".to_owned(),
            None,
        );
        let shown = format!("{error:?}");
        assert_eq!(shown.matches("`notes.view`").count(), 2, "{shown}");
        assert!(
            shown.contains("Administrator") && shown.contains("administrator"),
            "{shown}"
        );
    }
}
