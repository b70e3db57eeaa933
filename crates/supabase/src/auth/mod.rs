//! Supabase Auth: verification of access tokens and administration of users.

mod access_token;
mod admin;
mod jwks;
mod token_verifier;

pub use access_token::AccessToken;
pub use admin::{AuthAdmin, AuthError, NewUser, User};
pub use token_verifier::{Claims, TokenError, TokenVerifier};
