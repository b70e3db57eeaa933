//! Local verification of access tokens, without a request to the Auth server for each.

use std::fmt;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use uuid::Uuid;

use super::AccessToken;
use super::jwks::{JwksCache, KeyLookup};
use crate::{ConfigError, endpoint, project_url};

/// The tolerated difference between the clocks.
const LEEWAY_SECONDS: u64 = 10;
const AUDIENCE: &str = "authenticated";
const ROLE: &str = "authenticated";

/// The reason why a token does not identify a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token was sent.
    #[error("no access token was sent")]
    Missing,
    /// The text does not have the form of a token.
    #[error("the access token is malformed")]
    Malformed,
    /// The token was valid and has expired.
    #[error("the access token has expired")]
    Expired,
    /// This project did not issue the token for a signed-in user.
    #[error("the access token is not trusted")]
    Untrusted,
    /// The project's signing keys could not be fetched, so the token could not be verified.
    #[error("access tokens cannot be verified at the moment")]
    Unavailable,
}

/// The claims of a verified token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user's id.
    pub sub: Uuid,
    /// The user's mail address, if the user has one.
    pub email: Option<String>,
    /// The session that the token belongs to.
    pub session_id: Option<Uuid>,
    /// The time when the token expires.
    pub exp: DateTime<Utc>,
    /// Whether the user signed in anonymously.
    pub is_anonymous: bool,
    /// The token, for calls to the database.
    pub token: AccessToken,
}

/// A verifier for the access tokens of one project. It caches the keys: use one instance for the life of the
/// process.
pub struct TokenVerifier {
    issuer: String,
    secret: Option<DecodingKey>,
    jwks: JwksCache,
}

/// The claims in the form of the token.
#[derive(Deserialize)]
struct RawClaims {
    sub: Uuid,
    /// This must be a single text. The library would also accept a list in which one element matches.
    #[serde(rename = "iss")]
    _issuer: String,
    exp: i64,
    role: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    is_anonymous: Option<bool>,
}

impl TokenVerifier {
    /// Builds a verifier for the project at `url`. Pass `jwt_secret` only if the project still signs with
    /// HS256; without it HS256 tokens are refused.
    pub fn new(url: &str, jwt_secret: Option<&str>, http: reqwest::Client) -> Result<Self, ConfigError> {
        let project = project_url(url)?;
        let secret = jwt_secret.map(str::trim).filter(|secret| !secret.is_empty());
        Ok(Self {
            issuer: endpoint(&project, &["auth", "v1"]).into(),
            secret: secret.map(|secret| DecodingKey::from_secret(secret.as_bytes())),
            jwks: JwksCache::new(
                endpoint(&project, &["auth", "v1", ".well-known", "jwks.json"]),
                http,
            ),
        })
    }

    /// Verifies `token` and returns its claims.
    pub async fn verify(&self, token: &AccessToken) -> Result<Claims, TokenError> {
        let header = decode_header(token.as_str()).map_err(|_| TokenError::Malformed)?;
        // The algorithm selects the key, never the reverse. A public key can therefore not be used as an HMAC
        // secret.
        match header.alg {
            Algorithm::HS256 => {
                let secret = self.secret.as_ref().ok_or(TokenError::Untrusted)?;
                self.check(token, secret, Algorithm::HS256)
            }
            algorithm @ (Algorithm::ES256 | Algorithm::RS256) => {
                let key_id = header.kid.as_deref().ok_or(TokenError::Untrusted)?;
                match self.jwks.find(key_id, algorithm).await {
                    KeyLookup::Found(key) => self.check(token, &key, algorithm),
                    KeyLookup::Unknown => Err(TokenError::Untrusted),
                    KeyLookup::Unavailable => Err(TokenError::Unavailable),
                }
            }
            _ => Err(TokenError::Untrusted),
        }
    }

    fn check(
        &self,
        token: &AccessToken,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<Claims, TokenError> {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(&[AUDIENCE]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);

        let claims = decode::<RawClaims>(token.as_str(), key, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Untrusted,
            })?
            .claims;
        if claims.role != ROLE {
            return Err(TokenError::Untrusted);
        }
        Ok(Claims {
            sub: claims.sub,
            email: claims.email.filter(|email| !email.is_empty()),
            session_id: claims.session_id.and_then(|id| id.parse().ok()),
            exp: DateTime::from_timestamp(claims.exp, 0).ok_or(TokenError::Untrusted)?,
            is_anonymous: claims.is_anonymous.unwrap_or(false),
            token: token.clone(),
        })
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("issuer", &self.issuer)
            .field("hs256", &self.secret.is_some())
            .finish_non_exhaustive()
    }
}
