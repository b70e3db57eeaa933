//! The gateway: serves static files and runs the built functions as Vercel does.

mod added_headers;
mod bodies;
mod function;
mod function_files;
mod ipc;
mod path_pattern;
mod pool;
mod process;
mod proxy;
mod rewrites;
mod routes;
mod site;
mod static_files;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;

pub use function_files::ManifestError;
pub use rewrites::RuleError;

use crate::error_body::ErrorBody;
use crate::vercel_json::VercelJson;
use added_headers::AddedHeaders;
use function::Function;
use function_files::FunctionFile;
use process::Launcher;
use site::{Site, Target, query_with};

/// What the gateway serves.
pub struct GatewayOptions {
    /// The repository.
    pub root: PathBuf,
    /// Folder of the built binaries.
    pub functions_dir: PathBuf,
    /// All that functions find in their environment, besides `PATH`, `HOME` and `TZ`.
    pub environment: BTreeMap<String, String>,
    /// `crm-local` itself, to end functions with it even when it is killed; nothing starts them directly.
    pub exec_through: Option<PathBuf>,
}

/// A gateway that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The functions are not known.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A rule of `vercel.json` is wrong.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// No folder for the sockets.
    #[error("no temporary folder can be made: {0}")]
    Folder(#[from] std::io::Error),
}

/// The site and its functions.
#[derive(Debug)]
pub struct Gateway {
    site: Site,
    headers: AddedHeaders,
    functions: Vec<Arc<Function>>,
    launcher: Arc<Launcher>,
}

impl Gateway {
    /// Reads what there is to serve; no function is started yet.
    pub fn open(options: GatewayOptions, project: &VercelJson) -> Result<Arc<Self>, GatewayError> {
        let files = FunctionFile::read_all(&options.root)?;
        let functions = files.iter().map(|file| {
            let binary = options.functions_dir.join(&file.bin);
            Function::new(
                file.route(),
                file.bin.clone(),
                binary,
                file.max_duration(&project.functions),
            )
        });
        Ok(Arc::new(Self {
            functions: functions.collect(),
            site: Site::new(&options.root, project, &files)?,
            headers: AddedHeaders::compile(&project.headers)?,
            launcher: Arc::new(Launcher::new(
                options.root,
                options.environment,
                options.exec_through,
            )?),
        }))
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        let path = request.uri().path().to_owned();
        if path == "/_gateway/functions" && request.method() == Method::GET {
            return self.list();
        }
        let mut response = self.answer(&path, request, peer).await;
        self.headers.apply(&path, response.headers_mut());
        response
    }

    async fn answer(&self, path: &str, request: Request<Incoming>, peer: SocketAddr) -> Response {
        match self.site.resolve(path).await {
            Target::File(file) => {
                self.site
                    .files
                    .serve(&file, request.method(), request.headers())
                    .await
            }
            Target::Function(matched) => {
                let query = query_with(&matched.parameters, request.uri().query());
                let function = &self.functions[matched.function];
                Box::pin(proxy::forward(function, &self.launcher, request, query, peer)).await
            }
            Target::Nothing => ErrorBody::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "there is nothing at this address",
            )
            .into_response(),
        }
    }

    /// The functions, so that a test can find a process and kill it.
    fn list(&self) -> Response {
        let functions: Vec<_> = self
            .functions
            .iter()
            .map(|function| {
                let process = function.running();
                json!({
                    "route": function.route,
                    "bin": function.bin,
                    "pid": process.as_ref().map(|process| process.pid),
                    "requests": function.requests(),
                    "open_requests": process.map_or(0, |process| process.open_requests()),
                })
            })
            .collect();
        let body = Body::from(json!({"functions": functions}).to_string());
        ([(header::CONTENT_TYPE, "application/json")], body).into_response()
    }

    /// Ends all functions, each with time to finish.
    pub async fn stop(&self) {
        join_all(self.functions.iter().map(|function| function.stop())).await;
    }
}
