//! The document, the routers and the function files say the same.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use crm::{openapi_document, router};
use crm_core::{App, Config, shell};
use tower::ServiceExt;

/// Functions that serve no route of their own.
const NOT_ROUTES: [&str; 1] = ["/api/not-found"];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An app whose services are away: routes are told from each other without them.
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

async fn ask(method: &str, path: &str) -> Response {
    let path = path.replace("{id}", "6f9619ff-8b86-4011-b42d-00c04fc964ff");
    let request = Request::builder()
        .method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap())
        .uri(path)
        .body(Body::empty())
        .unwrap();
    shell(router(), app()).oneshot(request).await.unwrap()
}

fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = serde_json::to_value(openapi_document()).unwrap();
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
async fn what_is_documented_is_served_and_nothing_else() {
    for (path, methods) in documented() {
        for method in METHODS {
            let response = ask(method, &path).await;
            // Cron may be called by POST too, by hand: an alias, not an operation of its own.
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

fn function_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            function_files(&path, files);
        } else {
            files.push(path);
        }
    }
}

#[test]
fn every_documented_route_has_a_function_file_and_the_reverse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let mut files = Vec::new();
    function_files(&root.join("api"), &mut files);
    let served: BTreeSet<String> = files
        .iter()
        .map(|file| file.strip_prefix(&root).unwrap().to_str().unwrap())
        .map(|file| {
            format!(
                "/{}",
                file.strip_suffix(".rs")
                    .unwrap_or_else(|| panic!("{file} is no function"))
            )
        })
        .map(|route| route.replace('[', "{").replace(']', "}"))
        .filter(|route| !NOT_ROUTES.contains(&route.as_str()))
        .collect();
    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(served, documented);
}

#[test]
fn every_function_file_has_a_binary_and_the_reverse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let mut files = Vec::new();
    function_files(&root.join("api"), &mut files);
    let files: BTreeSet<String> = files
        .iter()
        .map(|file| file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned())
        .collect();

    let manifest: toml::Table = std::fs::read_to_string(root.join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let binaries = manifest["bin"].as_array().unwrap();
    let paths: BTreeSet<String> = binaries
        .iter()
        .map(|binary| binary["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(files, paths);

    for binary in binaries {
        let path = binary["path"].as_str().unwrap();
        let route = path
            .strip_prefix("api/")
            .and_then(|path| path.strip_suffix(".rs"))
            .unwrap();
        let name = route.replace(['/', '.'], "-").replace(['[', ']'], "");
        assert_eq!(binary["name"].as_str().unwrap(), name, "the name of {path}");
    }
}

#[test]
fn a_function_file_holds_nothing_but_its_router() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let mut files = Vec::new();
    function_files(&root.join("api"), &mut files);
    for file in files {
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 10, "{} has {lines} lines", file.display());
    }
}
