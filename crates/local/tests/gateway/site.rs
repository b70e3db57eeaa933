//! A repository with functions. All of them are the echo function under different names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crm_local::gateway::{Backend, Gateway, GatewayOptions};
use crm_local::http_server;
use crm_local::vercel_json::VercelJson;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A wait that takes longer fails. Nothing is measured with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const FUNCTIONS: [(&str, &str); 5] = [
    ("api/echo.rs", "echo"),
    ("api/items/[id].rs", "items-id"),
    ("api/openapi.json.rs", "openapi-json"),
    ("api/slow.rs", "slow"),
    ("api/broken.rs", "broken"),
];

/// A temporary folder with a repository.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
}

fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let built = test
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(name);
    assert!(
        built.exists(),
        "`cargo build -p crm-local --example {name}` is needed for this test alone"
    );
    built
}

impl Repository {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("bin")).unwrap();
        std::fs::create_dir_all(root.join("public")).unwrap();
        std::fs::write(root.join("public/index.html"), "home").unwrap();
        let mut manifest = "[[bin]]\nname = \"unbuilt\"\npath = \"api/unbuilt.rs\"\n".to_owned();
        for (file, bin) in FUNCTIONS {
            manifest.push_str(&format!("[[bin]]\nname = \"{bin}\"\npath = \"{file}\"\n"));
            std::os::unix::fs::symlink(example("echo_function"), root.join("bin").join(bin)).unwrap();
        }
        std::os::unix::fs::symlink(example("echo_server"), root.join("bin/server")).unwrap();
        std::fs::write(root.join("Cargo.toml"), manifest).unwrap();
        let vercel_json = json!({
            "functions": {"api/slow.rs": {"maxDuration": 1}},
            "rewrites": [{"source": "/things/:id", "destination": "/api/items/:id"}],
            "headers": [{"source": "/(.*)", "headers": [{"key": "X-Frame-Options", "value": "DENY"}]}],
            "crons": [{"path": "/api/echo", "schedule": "* * * * *"}],
        });
        std::fs::write(root.join("vercel.json"), vercel_json.to_string()).unwrap();
        Self { folder }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces the server's binary with one that ends before it listens.
    pub(crate) fn break_server(&self) {
        let server = self.root().join("bin/server");
        std::fs::remove_file(&server).unwrap();
        std::os::unix::fs::symlink("/bin/false", server).unwrap();
    }

    /// A path that does not exist yet. Functions wait for it to appear.
    pub(crate) fn file(&self, name: &str) -> String {
        self.root().join(name).to_string_lossy().into_owned()
    }
}

/// A gateway that serves a repository.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) repository: Repository,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) client: reqwest::Client,
    _stop: tokio_util::sync::DropGuard,
}

impl Site {
    /// A process for each function.
    pub(crate) async fn start() -> Self {
        Self::start_with(Backend::Functions).await
    }

    /// One process for all of them.
    pub(crate) async fn start_server() -> Self {
        Self::start_with(|bin| Backend::Server(bin.join("server"))).await
    }

    async fn start_with(backend: impl FnOnce(PathBuf) -> Backend) -> Self {
        let repository = Repository::new();
        let root = repository.root().to_owned();
        let project = VercelJson::read(&root).unwrap();
        let options = GatewayOptions {
            backend: backend(root.join("bin")),
            root,
            environment: [("SETTING".to_owned(), "on".to_owned())].into(),
            exec_through: None,
        };
        let gateway = Gateway::open(options, &project).unwrap();
        let listener = http_server::bind(0, "app").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, handling) = (CancellationToken::new(), gateway.clone());
        let handle = move |request, peer: SocketAddr| {
            let gateway = handling.clone();
            async move { Ok(gateway.handle(request, peer).await) }
        };
        tokio::spawn(http_server::serve(listener, stop.clone(), Duration::ZERO, handle));
        let client = crm_local::http_client::build(PATIENCE).unwrap();
        Self {
            url,
            repository,
            gateway,
            client,
            _stop: stop.drop_guard(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(format!("{}{path}", self.url))).await
    }

    /// The entry of a binary in the gateway's list.
    pub(crate) async fn listed(&self, bin: &str) -> Value {
        listed(&self.client, &self.url, bin).await
    }

    /// Waits until a binary has this number of open requests.
    pub(crate) async fn has_open_requests(&self, bin: &str, number: u64) -> Value {
        eventually(async || {
            let listed = self.listed(bin).await;
            (listed["open_requests"] == number).then_some(listed)
        })
        .await
    }
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) async fn listed(client: &reqwest::Client, url: &str, bin: &str) -> Value {
    let (_, list) = answer(client.get(format!("{url}/_gateway/functions"))).await;
    let functions = list["functions"].as_array().unwrap();
    functions
        .iter()
        .find(|function| function["bin"] == bin)
        .unwrap()
        .clone()
}

/// Calls `ask` until it returns an answer.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("it happens in time")
}

/// Whether a process has ended. A process that its parent has not waited for yet counts as ended.
pub(crate) fn is_gone(pid: u64) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with(['Z', 'X'])),
        Err(_) => true,
    }
}

/// Waits until a process handles SIGTERM. The functions' runtime installs its handler only after it starts to
/// answer.
pub(crate) async fn handles_sigterm(pid: u64) {
    eventually(async || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:"))
            .unwrap();
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        (caught & (1 << (Signal::TERM.as_raw() - 1)) != 0).then_some(())
    })
    .await;
}

pub(crate) fn kill(pid: &Value, signal: Signal) {
    let pid = i32::try_from(pid.as_i64().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}
