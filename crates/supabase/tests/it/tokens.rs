use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use serde_json::{Value, json};
use supabase::AccessToken;
use supabase::auth::{Claims, TokenError, TokenVerifier};
use tokio::net::TcpListener;

use crate::server::{Scripted, Server, http_client};

const SECRET: &str = "a-shared-secret-of-at-least-32-characters";
const USER: &str = "11111111-2222-3333-4444-555555555555";
const SESSION: &str = "66666666-7777-8888-9999-000000000000";

enum Key {
    Hmac(Vec<u8>),
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Key {
    fn hmac(secret: impl AsRef<[u8]>) -> Self {
        Self::Hmac(secret.as_ref().to_vec())
    }

    fn ec() -> Self {
        Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Hmac(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message)
                .as_ref()
                .to_vec(),
            Self::Ec(pair) => pair
                .sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    fn jwk(&self, key_id: &str) -> Value {
        match self {
            Self::Hmac(secret) => json!({"kty": "oct", "k": b64(secret), "alg": "HS256", "kid": key_id}),
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]),
                    "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": true, "kid": key_id})
            }
            Self::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": b64(&public.n), "e": b64(&public.e), "alg": "RS256", "kid": key_id})
            }
        }
    }
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn token(header: &Value, claims: &Value, key: &Key) -> AccessToken {
    let message = format!(
        "{}.{}",
        b64(header.to_string().as_bytes()),
        b64(claims.to_string().as_bytes())
    );
    let signature = b64(&key.sign(message.as_bytes()));
    AccessToken::parse(&format!("{message}.{signature}")).unwrap()
}

fn claims(server: &Server) -> Value {
    claims_of(&server.url)
}

fn claims_of(url: &str) -> Value {
    json!({
        "iss": format!("{url}/auth/v1"), "aud": "authenticated", "role": "authenticated",
        "sub": USER, "email": "agent@example.com", "session_id": SESSION, "is_anonymous": false,
        "exp": Utc::now().timestamp() + 3600, "iat": Utc::now().timestamp(), "aal": "aal1",
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn jwks(keys: &[Value]) -> Scripted {
    Scripted::json(200, &json!({"keys": keys}))
}

fn verifier(server: &Server) -> TokenVerifier {
    TokenVerifier::new(&server.url, None, http_client()).unwrap()
}

fn verifier_with_secret(server: &Server) -> TokenVerifier {
    TokenVerifier::new(&server.url, Some(SECRET), http_client()).unwrap()
}

fn es256(key_id: &str) -> Value {
    json!({"alg": "ES256", "typ": "JWT", "kid": key_id})
}

/// Moves the paused clock forward; sockets continue in real time.
async fn later(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

#[tokio::test]
async fn tokens_of_all_three_kinds_identify_their_user() {
    let (ec, rsa, secret) = (Key::ec(), Key::rsa(), Key::hmac(SECRET));
    let server = Server::answering(jwks(&[ec.jwk("ec-1"), rsa.jwk("rsa-1")])).await;
    let verifier = verifier_with_secret(&server);
    let claims = claims(&server);

    for token in [
        token(&es256("ec-1"), &claims, &ec),
        token(&json!({"alg": "RS256", "kid": "rsa-1"}), &claims, &rsa),
        token(&json!({"alg": "HS256", "kid": "any"}), &claims, &secret),
        token(&json!({"alg": "HS256"}), &claims, &secret),
    ] {
        let user: Claims = verifier.verify(&token).await.unwrap();
        assert_eq!(user.sub.to_string(), USER);
        assert_eq!(user.email.as_deref(), Some("agent@example.com"));
        assert_eq!(user.session_id.unwrap().to_string(), SESSION);
        assert_eq!(user.exp.timestamp(), claims["exp"]);
        assert!(!user.is_anonymous);
        assert_eq!(user.token, token);
    }
}

#[tokio::test]
async fn claims_of_no_signed_in_user_of_this_project_are_refused() {
    let server = Server::answering(jwks(&[])).await;
    let verifier = verifier_with_secret(&server);
    let secret = Key::hmac(SECRET);
    let good = claims(&server);
    let issuer = good["iss"].clone();
    let now = Utc::now().timestamp();

    let mut table = vec![
        (
            "iss",
            json!("https://other.supabase.co/auth/v1"),
            TokenError::Untrusted,
        ),
        ("iss", json!([issuer, "https://other"]), TokenError::Untrusted),
        ("aud", json!("anon"), TokenError::Untrusted),
        ("aud", json!(7), TokenError::Untrusted),
        ("role", json!("service_role"), TokenError::Untrusted),
        ("role", json!("anon"), TokenError::Untrusted),
        ("sub", json!("not-a-uuid"), TokenError::Untrusted),
        ("sub", json!(""), TokenError::Untrusted),
        ("nbf", json!(now + 600), TokenError::Untrusted),
        ("exp", json!(now - 60), TokenError::Expired),
        ("exp", json!(0), TokenError::Expired),
        ("exp", json!("tomorrow"), TokenError::Untrusted),
        ("exp", json!(-1), TokenError::Untrusted),
    ];
    table.extend(["iss", "aud", "role", "sub", "exp"].map(|name| (name, Value::Null, TokenError::Untrusted)));
    for (name, value, expected) in table {
        let token = token(
            &json!({"alg": "HS256"}),
            &with(good.clone(), name, value.clone()),
            &secret,
        );
        assert_eq!(
            verifier.verify(&token).await.unwrap_err(),
            expected,
            "{name} = {value}"
        );
    }

    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("exp");
    let token_without_exp = token(&json!({"alg": "HS256"}), &missing, &secret);
    assert_eq!(
        verifier.verify(&token_without_exp).await.unwrap_err(),
        TokenError::Untrusted
    );

    // The clocks of servers differ a little.
    let just_now = token(
        &json!({"alg": "HS256"}),
        &with(good.clone(), "exp", json!(now - 5)),
        &secret,
    );
    assert!(verifier.verify(&just_now).await.is_ok());
    // Older Auth servers write the audience as a list.
    let listed = token(
        &json!({"alg": "HS256"}),
        &with(good, "aud", json!(["authenticated"])),
        &secret,
    );
    assert!(verifier.verify(&listed).await.is_ok());
}

#[tokio::test]
async fn a_public_key_never_serves_as_an_hmac_secret() {
    let ec = Key::ec();
    let Key::Ec(pair) = &ec else { unreachable!() };
    let der = pair.public_key().as_der().unwrap();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let jwk = ec.jwk("ec-1");
    let point = pair.public_key().as_ref().to_vec();
    let forgeries: Vec<Vec<u8>> = vec![
        point.clone(),
        point[1..].to_vec(),
        point[1..33].to_vec(),
        der.as_ref().to_vec(),
        pem.into_bytes(),
        jwk.to_string().into_bytes(),
        Vec::new(),
    ];

    // A secret in the key set must not count either, because everybody can read it there.
    let server = Server::answering(jwks(&[jwk, Key::hmac("public").jwk("oct-1")])).await;
    for verifier in [verifier(&server), verifier_with_secret(&server)] {
        for secret in forgeries.iter().cloned().chain([b"public".to_vec()]) {
            for key_id in ["ec-1", "oct-1"] {
                let forged = token(
                    &json!({"alg": "HS256", "kid": key_id}),
                    &claims(&server),
                    &Key::Hmac(secret.clone()),
                );
                assert_eq!(verifier.verify(&forged).await.unwrap_err(), TokenError::Untrusted);
            }
        }
    }
}

#[tokio::test]
async fn hs256_is_refused_where_no_secret_is_configured() {
    let server = Server::answering(jwks(&[])).await;
    let forged = token(&json!({"alg": "HS256"}), &claims(&server), &Key::hmac(""));
    for secret in [None, Some(""), Some("  ")] {
        let verifier = TokenVerifier::new(&server.url, secret, http_client()).unwrap();
        assert_eq!(
            verifier.verify(&forged).await.unwrap_err(),
            TokenError::Untrusted,
            "{secret:?}"
        );
    }
}

#[tokio::test]
async fn headers_cannot_choose_the_key_or_do_without() {
    let (ours, theirs, rsa) = (Key::ec(), Key::ec(), Key::rsa());
    let server = Server::answering(jwks(&[ours.jwk("ec-1"), rsa.jwk("rsa-1")])).await;
    let verifier = verifier_with_secret(&server);
    let claims = claims(&server);

    let attacks = [
        ("signed by a stranger", es256("ec-1"), &theirs),
        (
            "key in the header",
            json!({"alg": "ES256", "kid": "ec-1", "jwk": theirs.jwk("ec-1")}),
            &theirs,
        ),
        (
            "key by address",
            json!({"alg": "ES256", "kid": "x", "jku": "http://127.0.0.1:1/"}),
            &theirs,
        ),
        ("no key id", json!({"alg": "ES256"}), &ours),
        ("another key's id", es256("rsa-1"), &ours),
        (
            "another key's algorithm",
            json!({"alg": "RS256", "kid": "ec-1"}),
            &rsa,
        ),
        ("a path as key id", es256("../../etc/passwd"), &theirs),
        (
            "HS384",
            json!({"alg": "HS384", "kid": "ec-1"}),
            &Key::hmac(SECRET),
        ),
        ("PS256", json!({"alg": "PS256", "kid": "rsa-1"}), &rsa),
        ("ES384", json!({"alg": "ES384", "kid": "ec-1"}), &ours),
    ];
    for (name, header, key) in attacks {
        let error = verifier.verify(&token(&header, &claims, key)).await.unwrap_err();
        assert_eq!(error, TokenError::Untrusted, "{name}");
    }
    for alg in ["none", "None", "NONE", ""] {
        let error = verifier
            .verify(&token(&json!({"alg": alg}), &claims, &ours))
            .await
            .unwrap_err();
        assert!(
            matches!(error, TokenError::Malformed | TokenError::Untrusted),
            "{alg}: {error:?}"
        );
    }
}

#[tokio::test]
async fn changed_tokens_are_refused() {
    let ec = Key::ec();
    let server = Server::answering(jwks(&[ec.jwk("ec-1")])).await;
    let verifier = verifier(&server);
    let good = token(&es256("ec-1"), &claims(&server), &ec);
    assert!(verifier.verify(&good).await.is_ok());

    let parts: Vec<&str> = good.as_str().split('.').collect();
    let stranger = with(
        claims(&server),
        "sub",
        json!("99999999-2222-3333-4444-555555555555"),
    );
    let payload = b64(stranger.to_string().as_bytes());
    let swapped = format!("{}.{payload}.{}", parts[0], parts[2]);
    let shortened = format!("{}.{}.{}", parts[0], parts[1], &parts[2][..40]);
    let zeros = format!("{}.{}.{}", parts[0], parts[1], b64(&[0; 64]));
    for changed in [swapped, shortened, zeros] {
        let changed = AccessToken::parse(&changed).unwrap();
        assert_eq!(
            verifier.verify(&changed).await.unwrap_err(),
            TokenError::Untrusted
        );
    }
}

#[test]
fn other_texts_are_malformed_and_an_absent_token_is_missing() {
    for header in [None, Some(""), Some("   ")] {
        assert_eq!(
            AccessToken::from_authorization(header).unwrap_err(),
            TokenError::Missing,
            "{header:?}"
        );
    }
    let long = format!("Bearer a.b.{}", "c".repeat(9000));
    for header in [
        "Bearer",
        "Bearer ",
        "Bearer a.b",
        "Bearer a..c",
        "Bearer a.b.c.d",
        "Basic a.b.c",
        "Bearer a.b.c d",
        "a.b.c",
    ]
    .into_iter()
    .chain([long.as_str(), "Bearer a.b.\u{e4}", "Bearer a.b.c\r\nX: y"])
    {
        assert_eq!(
            AccessToken::from_authorization(Some(header)).unwrap_err(),
            TokenError::Malformed,
            "{header:?}"
        );
    }
    assert_eq!(
        AccessToken::from_authorization(Some("bearer  a.b.c"))
            .unwrap()
            .as_str(),
        "a.b.c"
    );
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_simultaneous_calls() {
    let ec = Key::ec();
    let server = Server::answering(jwks(&[ec.jwk("ec-1")])).await;
    let verifier = std::sync::Arc::new(verifier(&server));
    let token = token(&es256("ec-1"), &claims(&server), &ec);

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (verifier, token) = (verifier.clone(), token.clone());
        tasks.spawn(async move { verifier.verify(&token).await });
    }
    for result in tasks.join_all().await {
        result.unwrap();
    }
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(server.only_request().uri, "/auth/v1/.well-known/jwks.json");
}

#[tokio::test]
async fn unknown_key_ids_fetch_at_most_once_in_thirty_seconds() {
    let ec = Key::ec();
    let server = Server::answering(jwks(&[ec.jwk("ec-1")])).await;
    let verifier = verifier(&server);
    let claims = claims(&server);
    assert!(
        verifier
            .verify(&token(&es256("ec-1"), &claims, &ec))
            .await
            .is_ok()
    );
    for round in 0..20 {
        let made_up = token(&es256(&format!("made-up-{round}")), &claims, &ec);
        assert_eq!(
            verifier.verify(&made_up).await.unwrap_err(),
            TokenError::Untrusted
        );
    }
    assert_eq!(server.seen().len(), 1);

    later(Duration::from_secs(31)).await;
    for round in 0..20 {
        let made_up = token(&es256(&format!("made-up-{round}")), &claims, &ec);
        assert_eq!(
            verifier.verify(&made_up).await.unwrap_err(),
            TokenError::Untrusted
        );
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_new_key_is_accepted_and_a_removed_one_refused() {
    let (old, new) = (Key::ec(), Key::ec());
    let server = Server::answering(jwks(&[old.jwk("old")])).await;
    let verifier = verifier(&server);
    let claims = claims(&server);
    let (by_old, by_new) = (
        token(&es256("old"), &claims, &old),
        token(&es256("new"), &claims, &new),
    );
    assert!(verifier.verify(&by_old).await.is_ok());

    server.answers_from_now_on(jwks(&[old.jwk("old"), new.jwk("new")]));
    later(Duration::from_secs(31)).await;
    assert!(verifier.verify(&by_new).await.is_ok());
    assert!(verifier.verify(&by_old).await.is_ok());

    server.answers_from_now_on(jwks(&[new.jwk("new")]));
    later(Duration::from_secs(601)).await;
    assert_eq!(verifier.verify(&by_old).await.unwrap_err(), TokenError::Untrusted);
    assert!(verifier.verify(&by_new).await.is_ok());
}

#[tokio::test]
async fn without_keys_verification_is_unavailable_and_old_keys_outlast_an_outage() {
    let ec = Key::ec();
    let down = Scripted {
        status: 503,
        ..Scripted::default()
    };
    let server = Server::answering(down.clone()).await;
    let verifier = verifier(&server);
    let token = token(&es256("ec-1"), &claims(&server), &ec);

    assert_eq!(
        verifier.verify(&token).await.unwrap_err(),
        TokenError::Unavailable
    );
    assert_eq!(
        verifier.verify(&token).await.unwrap_err(),
        TokenError::Unavailable
    );
    assert_eq!(server.seen().len(), 1);

    server.answers_from_now_on(jwks(&[ec.jwk("ec-1")]));
    later(Duration::from_secs(3)).await;
    assert!(verifier.verify(&token).await.is_ok());

    server.answers_from_now_on(down);
    later(Duration::from_secs(601)).await;
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn an_unreadable_key_is_skipped_alone() {
    let (ec, rsa) = (Key::ec(), Key::rsa());
    let odd = json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "odd"});
    let nonsense = [
        json!(7),
        json!({}),
        json!({"kty": "EC"}),
        odd,
        with(ec.jwk("enc"), "use", json!("enc")),
    ];
    let keys: Vec<Value> = nonsense
        .into_iter()
        .chain([rsa.jwk("rsa-1"), ec.jwk("ec-1")])
        .collect();
    let server = Server::answering(jwks(&keys)).await;
    let verifier = verifier(&server);
    let claims = claims(&server);
    assert!(
        verifier
            .verify(&token(&es256("ec-1"), &claims, &ec))
            .await
            .is_ok()
    );
    let not_for_signing = token(&es256("enc"), &claims, &ec);
    assert_eq!(
        verifier.verify(&not_for_signing).await.unwrap_err(),
        TokenError::Untrusted
    );
}

#[tokio::test]
async fn a_silent_auth_server_does_not_delay_callers() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let verifier = TokenVerifier::new(&url, None, http_client()).unwrap();
    let token = token(&es256("ec-1"), &claims_of(&url), &Key::ec());
    // Paused time jumps to the next deadline, which is the verifier's own.
    tokio::time::pause();
    assert_eq!(
        verifier.verify(&token).await.unwrap_err(),
        TokenError::Unavailable
    );
}
