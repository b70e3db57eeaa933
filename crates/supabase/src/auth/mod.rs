//! Supabase Auth: verification of access tokens, mails, and the account of a person.

mod access_token;
mod account;
mod auth_error;
mod jwks;
mod mails;
mod token_verifier;

pub use access_token::AccessToken;
pub use account::Account;
pub use auth_error::AuthError;
pub use mails::AuthMails;
pub use token_verifier::{Claims, TokenError, TokenVerifier};
