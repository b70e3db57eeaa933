//! Checks that the document, the routers and the list of routes agree.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use crm::routes::routers;
use crm::{openapi_document, router};
use crm_core::contract::Routes;
use crm_core::{App, Config, shell};
use tower::ServiceExt;

/// Routes that answer every path with 404.
const SERVE_NOTHING: [&str; 1] = ["/api/not-found"];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An app whose services are unavailable: routes can be distinguished without them.
fn app() -> App {
    let variables: HashMap<String, String> = [
        ("SUPABASE_URL", "http://127.0.0.1:9"),
        ("SUPABASE_ANON_KEY", "anon"),
        ("SUPABASE_SERVICE_ROLE_KEY", "service"),
        ("META_APP_SECRET", "secret"),
        ("META_WEBHOOK_VERIFY_TOKEN", "verify"),
        ("META_WHATSAPP_TOKEN", "token"),
        ("CRON_SECRET", "cron"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    App::new(Config::read(&variables).unwrap()).unwrap()
}

async fn ask(service: &Router, method: &str, path: &str) -> Response {
    let path = path.replace("{id}", "6f9619ff-8b86-4011-b42d-00c04fc964ff");
    let request = Request::builder()
        .method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap())
        .uri(path)
        .body(Body::empty())
        .unwrap();
    service.clone().oneshot(request).await.unwrap()
}

fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = openapi_document();
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &serde_json::Value| {
        let known = |method: &&String| METHODS.contains(&method.as_str());
        item.as_object().unwrap().keys().filter(known).cloned().collect()
    };
    paths
        .iter()
        .map(|(path, item)| (path.clone(), methods(item)))
        .collect()
}

#[tokio::test]
async fn exactly_the_documented_operations_are_served() {
    let service = shell(router(), app());
    for (path, methods) in documented() {
        for method in METHODS {
            let response = ask(&service, method, &path).await;
            // Cron operations also accept POST, for calls by hand: the document does not list it as an operation.
            let alias = path.starts_with("/api/cron/") && method == "post";
            if methods.contains(method) || alias {
                assert_ne!(
                    response.status(),
                    StatusCode::NOT_FOUND,
                    "{method} {path} is not served"
                );
                assert_ne!(
                    response.status(),
                    StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path} is not served"
                );
            } else {
                assert_eq!(
                    response.status(),
                    StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path} is not documented"
                );
                let allow = response.headers()["allow"].to_str().unwrap().to_lowercase();
                for documented in &methods {
                    assert!(allow.contains(documented), "{path} allows {allow}");
                }
            }
        }
    }
}

/// The paths in the list of routes, with parameters as the document writes them.
fn listed() -> Vec<(String, Routes)> {
    routers()
        .into_iter()
        .map(|(path, router)| (format!("/api/{}", path.replace("[id]", "{id}")), router))
        .collect()
}

#[tokio::test]
async fn each_router_serves_its_path() {
    for (path, router) in listed() {
        // A served path refuses a method that no route has.
        let response = ask(&shell(router, app()), "trace", &path).await;
        let expected = if SERVE_NOTHING.contains(&path.as_str()) {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::METHOD_NOT_ALLOWED
        };
        assert_eq!(response.status(), expected, "{path}");
    }
}

#[test]
fn the_list_of_routes_and_the_document_agree() {
    let listed: BTreeSet<String> = listed()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !SERVE_NOTHING.contains(&path.as_str()))
        .collect();
    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(listed, documented);
}
