//! The credential of a caller: an access token or an API key.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use supabase::auth::TokenError;
use supabase::{AccessToken, Database, DatabaseError};
use uuid::Uuid;

use super::access::{Access, CallerKind};
use crate::app::App;
use crate::error::ApiError;
use crate::text::Text;
use crate::trace::{Actor, Trace};

/// The beginning of every API key.
const KEY_PREFIX: &str = "crm_";
const MAX_KEY_LENGTH: usize = 200;
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A bearer as it came: well formed, but not verified.
pub(super) enum Credential {
    Person(AccessToken),
    /// The key as a header value marked as sensitive, so that it is never printed.
    Key(HeaderValue),
}

impl Credential {
    pub(super) fn from_authorization(header: Option<&str>) -> Result<Self, ApiError> {
        let key = header
            .and_then(|value| value.trim().split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, bearer)| bearer.trim())
            .filter(|bearer| bearer.starts_with(KEY_PREFIX));
        let Some(key) = key else {
            return Ok(Self::Person(AccessToken::from_authorization(header)?));
        };
        let well_formed = key.len() <= MAX_KEY_LENGTH && key.bytes().all(|byte| byte.is_ascii_graphic());
        let mut key = HeaderValue::from_str(key).map_err(|_| TokenError::Malformed)?;
        if !well_formed {
            return Err(TokenError::Malformed.into());
        }
        key.set_sensitive(true);
        Ok(Self::Key(key))
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Person(token) => token.as_str(),
            Self::Key(key) => key.to_str().unwrap_or_default(),
        }
    }

    /// Verifies an access token and returns the person's e-mail address. The database checks a key with every call.
    pub(super) async fn verify(&self, app: &App, trace: &Trace) -> Result<Option<String>, ApiError> {
        match self {
            Self::Person(token) => {
                let claims = app.tokens().verify(token).await?;
                trace.identify(Actor {
                    kind: CallerKind::User,
                    id: claims.sub,
                });
                Ok(claims.email)
            }
            Self::Key(_) => Ok(None),
        }
    }

    /// The database with the rights of the credential.
    pub(super) fn database<'a>(&self, app: &'a App) -> Database<'a> {
        match self {
            Self::Person(token) => app.supabase().as_user(token),
            Self::Key(key) => app.supabase().as_anonymous().with_header(API_KEY, key.clone()),
        }
    }

    /// Reads the access from the database and remembers it.
    pub(super) async fn access(&self, app: &App, trace: &Trace) -> Result<Arc<Access>, ApiError> {
        let answer = trace
            .mark(self.database(app))
            .rpc::<Option<Access>>("current_access", &())
            .await;
        if let Err(DatabaseError::Refused { field: Some(id), .. }) = &answer
            && let Ok(id) = Uuid::parse_str(id)
        {
            // The database knows the key, and why it is not valid.
            trace.identify(Actor {
                kind: CallerKind::ApiKey,
                id,
            });
        }
        let access = answer.map_err(without_key_id)?.ok_or_else(no_tenant)?;
        if access.kind == CallerKind::ApiKey {
            let arguments = json!({ "key_id": access.user_id, "ip": trace.ip() });
            let service = trace.mark(app.supabase().as_service());
            if let Err(error) = service.rpc::<()>("record_api_key_use", &arguments).await {
                log::warn!(
                    "the use of API key {} was not recorded: {}",
                    access.user_id,
                    error.source_text()
                );
            }
        }
        Ok(app.access().remember(self.as_str(), access))
    }
}

/// Removes the hint, which is the id of a refused key: the id is for our log and no field of the request.
fn without_key_id(error: DatabaseError) -> ApiError {
    match error {
        DatabaseError::Refused {
            status: 401,
            code,
            message,
            ..
        } => DatabaseError::Refused {
            status: 401,
            code,
            message,
            field: None,
        }
        .into(),
        error => error.into(),
    }
}

fn no_tenant() -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "no_tenant",
        Text::new(
            "Your account belongs to no organisation, or has been deactivated.",
            "Akun Anda tidak terdaftar di organisasi mana pun, atau telah dinonaktifkan.",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tokens_and_nonsense_are_distinguished() {
        let key = Credential::from_authorization(Some("Bearer crm_0123456789abcdef"));
        assert!(matches!(key, Ok(Credential::Key(_))));
        let token = Credential::from_authorization(Some("bearer aaa.bbb.ccc"));
        assert!(matches!(token, Ok(Credential::Person(_))));
        for header in [
            None,
            Some(""),
            Some("crm_0123"),
            Some("Basic crm_0123"),
            Some("Bearer crm_\u{7f}"),
            Some("Bearer crm_a b"),
            Some(&*format!("Bearer crm_{}", "x".repeat(200))),
        ] {
            let refused = Credential::from_authorization(header)
                .err()
                .map(|error| error.status());
            assert_eq!(refused, Some(StatusCode::UNAUTHORIZED), "{header:?}");
        }
    }
}
