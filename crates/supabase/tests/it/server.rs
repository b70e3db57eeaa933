use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use supabase::{Config, Supabase};
use tokio::net::TcpListener;

pub(crate) const ANON_JWT: &str = "anon.anon.anon";
pub(crate) const SERVICE_JWT: &str = "service.service.service";

/// A request as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let url = reqwest::Url::parse(&format!("http://host{}", self.uri)).unwrap();
        url.query_pairs().into_owned().collect()
    }
}

/// An answer to be given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripted {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Scripted {
    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self {
            status,
            headers,
            body: body.to_string(),
        }
    }
}

#[derive(Clone, Default)]
struct Shared {
    seen: Arc<Mutex<Vec<Seen>>>,
    answer: Arc<Mutex<Scripted>>,
    /// For requests that the test tells apart; the others get `answer`.
    exceptions: Arc<Mutex<Vec<Exception>>>,
}

type Exception = Box<dyn FnMut(&Seen) -> Option<Scripted> + Send>;

/// A server that gives the scripted answer to every request.
pub(crate) struct Server {
    pub(crate) url: String,
    shared: Shared,
}

impl Server {
    pub(crate) async fn answering(answer: Scripted) -> Self {
        let shared = Shared::default();
        *shared.answer.lock().unwrap() = answer;
        let app = Router::new().fallback(handle).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, shared }
    }

    /// Changes the scripted answer.
    pub(crate) fn answers_from_now_on(&self, answer: Scripted) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// Answers the requests for which `answer` gives something with that. The latest call comes first.
    pub(crate) fn answers_also(&self, answer: impl FnMut(&Seen) -> Option<Scripted> + Send + 'static) {
        self.shared.exceptions.lock().unwrap().insert(0, Box::new(answer));
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn only_request(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen.into_iter().next().unwrap()
    }

    pub(crate) fn supabase(&self) -> Supabase {
        self.supabase_with_keys(ANON_JWT, SERVICE_JWT)
    }

    pub(crate) fn supabase_with_keys(&self, anon_key: &str, service_role_key: &str) -> Supabase {
        let config = Config {
            url: self.url.clone(),
            anon_key: anon_key.to_owned(),
            service_role_key: service_role_key.to_owned(),
        };
        Supabase::new(&config, http_client()).unwrap()
    }
}

async fn handle(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let seen = Seen {
        method,
        uri,
        headers,
        body,
    };
    let exception = {
        let mut exceptions = shared.exceptions.lock().unwrap();
        exceptions.iter_mut().find_map(|answer| answer(&seen))
    };
    shared.seen.lock().unwrap().push(seen);
    let answer = exception.unwrap_or_else(|| shared.answer.lock().unwrap().clone());
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap()
}

pub(crate) fn http_client() -> reqwest::Client {
    client_builder().build().unwrap()
}

pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // It fails if another test was first, which is equally good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().tls_certs_only([]).no_proxy()
}
