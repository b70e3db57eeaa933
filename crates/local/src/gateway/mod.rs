//! The gateway: serves static files and runs the built functions as Vercel does.

mod added_headers;
mod bodies;
mod function;
mod function_files;
mod ipc;
mod path_pattern;
mod pool;
mod process;
mod program;
mod proxy;
mod rewrites;
mod routes;
mod site;
mod static_files;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
use process::{Contract, Launcher, StartFailure};
use program::Program;
use site::{Site, Target, query_with};

/// What the gateway serves.
pub struct GatewayOptions {
    /// The repository.
    pub root: PathBuf,
    /// What answers for the functions.
    pub backend: Backend,
    /// All that functions find in their environment, besides `PATH`, `HOME` and `TZ`.
    pub environment: BTreeMap<String, String>,
    /// `crm-local` itself, to end functions with it even when it is killed; nothing starts them directly.
    pub exec_through: Option<PathBuf>,
}

/// What answers for the functions of the site.
#[derive(Debug, Clone)]
pub enum Backend {
    /// A process for each function, as on Vercel: the folder of the built binaries.
    Functions(PathBuf),
    /// One process for all of them: the built binary of `crates/server`.
    Server(PathBuf),
}

impl Backend {
    /// The program of each function, in the order of `files`.
    fn programs(&self, files: &[FunctionFile]) -> Vec<Arc<Program>> {
        let function =
            |folder: &Path, bin: &str| Program::new(bin.to_owned(), folder.join(bin), Contract::Function);
        match self {
            Self::Functions(folder) => files.iter().map(|file| function(folder, &file.bin)).collect(),
            Self::Server(binary) => {
                let program = Program::new("server".to_owned(), binary.clone(), Contract::Server);
                vec![program; files.len()]
            }
        }
    }
}

/// A process that could not be replaced by a new one of its program.
#[derive(Debug, thiserror::Error)]
#[error("the new {program} failed to start: {reason}")]
pub struct ReplaceError {
    program: String,
    reason: StartFailure,
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
    functions: Vec<Function>,
    launcher: Arc<Launcher>,
}

impl Gateway {
    /// Reads what there is to serve; no function is started yet.
    pub fn open(options: GatewayOptions, project: &VercelJson) -> Result<Arc<Self>, GatewayError> {
        let files = FunctionFile::read_all(&options.root)?;
        let programs = options.backend.programs(&files);
        let functions = files.iter().zip(programs).map(|(file, program)| {
            let limit = file.max_duration(&project.functions);
            Function::new(file.route(), file.bin.clone(), limit, program)
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

    /// The programs behind the functions, each once.
    fn programs(&self) -> Vec<Arc<Program>> {
        let mut programs: Vec<Arc<Program>> = Vec::new();
        for function in &self.functions {
            if !programs.iter().any(|known| Arc::ptr_eq(known, &function.program)) {
                programs.push(function.program.clone());
            }
        }
        programs
    }

    /// Has what was built meanwhile take over, without a moment in which a request is not answered. What does not start
    /// takes over nothing.
    pub async fn replace_running(&self) -> Result<(), ReplaceError> {
        for program in self.programs() {
            program
                .replace(&self.launcher)
                .await
                .map_err(|reason| ReplaceError {
                    program: program.name.clone(),
                    reason,
                })?;
        }
        Ok(())
    }

    /// The functions, so that a test can find a process and kill it.
    fn list(&self) -> Response {
        let functions: Vec<_> = self
            .functions
            .iter()
            .map(|function| {
                let process = function.program.running();
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

    /// Ends all programs, each with time to finish.
    pub async fn stop(&self) {
        join_all(self.programs().iter().map(|program| program.stop())).await;
    }
}
