//! The proof that a request comes from these functions and not from another holder of the caller's token.

use std::time::Instant;

use aws_lc_rs::{digest, hmac};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;
use tokio::sync::Mutex;

use crate::database::Database;
use crate::database_error::DatabaseError;
use crate::key::secret;

pub(crate) const FUNCTION_PROOF: HeaderName = HeaderName::from_static("x-function-proof");
/// The reason that the database gives for refusing a proof. It has done nothing of the request by then.
pub(crate) const UNKNOWN_PROOF: &str = "unknown_function_proof";
/// The text that is signed. Another text makes another proof.
const LABEL: &[u8] = b"whatsapp-crm functions 1";

/// The proof, derived from the service key. The database knows its SHA-256 and forgets it after a day.
pub(crate) struct FunctionProof {
    pub(crate) header: HeaderValue,
    hash: String,
    /// The time of the last registration by this process.
    registered: Mutex<Option<Instant>>,
}

impl FunctionProof {
    pub(crate) fn new(service_role_key: &str) -> Option<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, service_role_key.trim().as_bytes());
        let proof = hex(hmac::sign(&key, LABEL).as_ref());
        Some(Self {
            header: secret(&proof)?,
            hash: hex(digest::digest(&digest::SHA256, proof.as_bytes()).as_ref()),
            registered: Mutex::new(None),
        })
    }

    /// Makes the proof known to the database, which refused it in a request sent at `refused_at`. Of several requests
    /// that were refused at once, one registers and the others wait for it.
    pub(crate) async fn register(
        &self,
        service: &Database<'_>,
        refused_at: Instant,
    ) -> Result<(), DatabaseError> {
        let mut registered = self.registered.lock().await;
        if registered.is_some_and(|at| at > refused_at) {
            return Ok(());
        }
        let arguments = json!({ "proof_hash": self.hash }).to_string();
        let url = service.function_url("register_function_proof");
        let request = service.request(Method::POST, url, Some(arguments.into()));
        service.answer(request).await?.accepted()?;
        *registered = Some(Instant::now());
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::FunctionProof;

    #[test]
    fn a_proof_follows_from_the_service_key_alone() {
        let proof = FunctionProof::new(" sb_secret_y\n").unwrap();
        assert_eq!(
            proof.header,
            "1d1fa220e3fef462005e5e3dc1566ecabfca169b04493c2a3984620f9cd9a7d7"
        );
        assert_eq!(
            proof.hash,
            "95f95a66b187467f31ebabbfccad28f66f94be0581f58940575377c5a3554692"
        );
        assert_ne!(FunctionProof::new("sb_secret_z").unwrap().header, proof.header);
        assert_eq!(format!("{:?}", proof.header), "Sensitive");
    }
}
