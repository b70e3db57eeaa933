//! Verification of access tokens without asking the Auth server each time.

use std::fmt;

use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use uuid::Uuid;

use super::AccessToken;
use super::jwks::{JwksCache, KeyLookup};
use crate::{ConfigError, endpoint, project_url};

/// How far apart the clocks may be.
const LEEWAY_SECONDS: u64 = 10;
const AUDIENCE: &str = "authenticated";
const ROLE: &str = "authenticated";

/// Why a token does not identify anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token was sent.
    #[error("no access token was sent")]
    Missing,
    /// What was sent does not have the form of a token.
    #[error("the access token is malformed")]
    Malformed,
    /// It was good and no longer is.
    #[error("the access token has expired")]
    Expired,
    /// It was not issued by this project for a signed-in user.
    #[error("the access token is not trusted")]
    Untrusted,
    /// The project's signing keys could not be fetched, so nothing can be said about the token.
    #[error("access tokens cannot be verified at the moment")]
    Unavailable,
}

/// Who a verified token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user's id.
    pub sub: Uuid,
    /// The user's address, unless they signed up without one.
    pub email: Option<String>,
    /// The session the token belongs to.
    pub session_id: Option<Uuid>,
    /// When the token stops working.
    pub exp: DateTime<Utc>,
    /// Whether the user never gave any credentials.
    pub is_anonymous: bool,
    /// The token, to call the database with.
    pub token: AccessToken,
}

/// Verifies the access tokens of one project. Share one for the life of the process: it caches the keys.
pub struct TokenVerifier {
    issuer: String,
    secret: Option<DecodingKey>,
    jwks: JwksCache,
}

/// The claims as they stand in the token.
#[derive(Deserialize)]
struct RawClaims {
    sub: Uuid,
    /// A list would do for the library, of which one element has to be right.
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
    /// A verifier for the project at `url`. `jwt_secret` is given only where the project still signs with
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

    /// Who `token` stands for.
    pub async fn verify(&self, token: &AccessToken) -> Result<Claims, TokenError> {
        let header = decode_header(token.as_str()).map_err(|_| TokenError::Malformed)?;
        // The key is chosen by the algorithm, never the reverse: a public key cannot serve as an HMAC secret.
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
