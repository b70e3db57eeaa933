//! HTTP clients with compiled-in root certificates (a function's image may have none) and time limits.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

/// A reason why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The TLS library refused its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The HTTP library refused its settings.
    #[error("the HTTP client cannot be built: {0}")]
    Http(#[from] reqwest::Error),
}

/// TLS with the compiled-in roots. Build it once in a process: it is most of the cost of a client.
pub fn tls() -> Result<ClientConfig, HttpClientError> {
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

/// A pooled client whose calls end within `time_limit`. It does not follow redirects: neither Supabase nor Meta's Graph
/// API answers with one, and a token must not travel with it.
pub fn client(tls: &ClientConfig, time_limit: Duration) -> Result<reqwest::Client, HttpClientError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(time_limit)
        // Shorter than what servers allow: if a server closes a connection while we write, the outcome of a send is
        // unknown.
        .pool_idle_timeout(Duration::from_secs(15))
        .build()?;
    Ok(client)
}
