//! One running function or server: how it is started, watched, listened to and ended.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::{TcpStream, UnixListener};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::ipc::{self, Frame};
use super::pool::Pool;
use crate::console;

/// How long a function may take to listen.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to finish its work after SIGTERM.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// Below the ports that the system gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How many ports a start tries. Another gateway can take a port between the choice and the moment the program listens.
const PORT_TRIES: usize = 5;

/// How often a server is asked whether it listens.
const LISTEN_CHECK: Duration = Duration::from_millis(5);

/// How a program is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contract {
    /// Vercel's: the port and a socket in the environment, frames on the socket, an `end` frame for each request.
    Function,
    /// `crates/server`'s: the address to listen on as its argument, and plain HTTP.
    Server,
}

/// Why a function does not run.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StartFailure {
    #[error("the binary {0} does not exist: build the functions first")]
    NotBuilt(PathBuf),
    #[error("it could not be started: {0}")]
    System(String),
    #[error("it ended before it listened ({0})")]
    Ended(String),
    #[error("it did not listen within {} seconds", START_LIMIT.as_secs())]
    TooSlow,
    #[error("the gateway is stopping")]
    Stopping,
}

impl From<std::io::Error> for StartFailure {
    fn from(error: std::io::Error) -> Self {
        Self::System(error.to_string())
    }
}

/// What all functions have in common.
#[derive(Debug)]
pub(crate) struct Launcher {
    root: PathBuf,
    environment: BTreeMap<String, String>,
    exec_through: Option<PathBuf>,
    sockets: tempfile::TempDir,
    started: AtomicU64,
}

impl Launcher {
    /// `exec_through` names the program whose `exec-function` ends functions together with the gateway.
    pub(crate) fn new(
        root: PathBuf,
        environment: BTreeMap<String, String>,
        exec_through: Option<PathBuf>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            root,
            environment,
            exec_through,
            // Private to this user: a process that can write to a socket can pretend to be its function.
            sockets: tempfile::Builder::new().prefix("crm-local-").tempdir()?,
            started: AtomicU64::new(0),
        })
    }

    fn command(&self, binary: &Path) -> Command {
        let mut command = match &self.exec_through {
            Some(program) => {
                let mut command = Command::new(program);
                command
                    .arg("exec-function")
                    .arg(std::process::id().to_string())
                    .arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.env_clear().envs(&self.environment);
        for name in ["PATH", "HOME", "TZ"]
            .into_iter()
            .filter(|name| !self.environment.contains_key(*name))
        {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C at the terminal is for the gateway, which lets functions finish.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// Starts a binary and waits until it listens. `gone` is called once the process has ended.
    pub(crate) async fn launch(
        &self,
        name: &str,
        binary: &Path,
        contract: Contract,
        gone: impl FnOnce() + Send + 'static,
    ) -> Result<Arc<Process>, StartFailure> {
        if !binary.is_file() {
            return Err(StartFailure::NotBuilt(binary.to_owned()));
        }
        for _ in 1..PORT_TRIES {
            let port = free_port()?;
            match self.start(name, binary, contract, port).await {
                Err(StartFailure::Ended(_)) if !is_free(port) => {}
                result => return Ok(result?.watched(name, gone)),
            }
        }
        Ok(self
            .start(name, binary, contract, free_port()?)
            .await?
            .watched(name, gone))
    }

    /// Starts a binary on a port and waits until it listens there.
    async fn start(
        &self,
        name: &str,
        binary: &Path,
        contract: Contract,
        port: u16,
    ) -> Result<Started, StartFailure> {
        let mut command = self.command(binary);
        let frames = match contract {
            Contract::Function => {
                let number = self.started.fetch_add(1, Ordering::Relaxed);
                let socket = self.sockets.path().join(format!("{number}.sock"));
                command
                    .env("VERCEL_DEV_PORT", port.to_string())
                    .env("VERCEL_IPC_PATH", &socket);
                Some((UnixListener::bind(&socket)?, socket))
            }
            Contract::Server => {
                command.arg(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string());
                None
            }
        };
        let mut child = command.spawn()?;
        let output = [
            child.stdout.take().map(|stream| pass_on(name, stream)),
            child.stderr.take().map(|stream| pass_on(name, stream)),
        ];
        let process = Arc::new(Process {
            pid: child.id().unwrap_or_default(),
            pool: Pool::new(port),
            contract,
            open: Mutex::default(),
            exited: CancellationToken::new(),
            leave: CancellationToken::new(),
            hurry: CancellationToken::new(),
        });
        let (started, listens) = oneshot::channel();
        let (listening, socket) = match frames {
            Some((listener, socket)) => (
                tokio::spawn(hear(name.to_owned(), listener, process.clone(), started)),
                Some(socket),
            ),
            None => (tokio::spawn(reach(port, started)), None),
        };
        let failure = tokio::select! {
            // A function that ended has closed its socket too: which of the two is seen first says nothing.
            Ok(()) = listens => None,
            status = child.wait() => Some(StartFailure::Ended(described(status))),
            () = tokio::time::sleep(START_LIMIT) => Some(StartFailure::TooSlow),
        };
        if let Some(socket) = socket {
            let _ = std::fs::remove_file(&socket);
        }
        if let Some(failure) = failure {
            let _ = child.kill().await;
            listening.abort();
            // Its last line says why: it is to be read before the answer.
            for reader in output.into_iter().flatten() {
                let _ = tokio::time::timeout(Duration::from_secs(1), reader).await;
            }
            return Err(failure);
        }
        Ok(Started {
            child,
            process,
            listening,
        })
    }
}

/// A process that has just begun to listen, and that is not watched yet.
struct Started {
    child: Child,
    process: Arc<Process>,
    listening: JoinHandle<()>,
}

impl Started {
    fn watched(self, name: &str, gone: impl FnOnce() + Send + 'static) -> Arc<Process> {
        let process = self.process.clone();
        tokio::spawn(watch(
            name.to_owned(),
            self.child,
            self.process,
            self.listening,
            gone,
        ));
        process
    }
}

/// A port that is free now. Random: gateways that count upwards from the same port would compete for each next one.
fn free_port() -> Result<u16, StartFailure> {
    let width = PORTS.end - PORTS.start;
    let first = uuid::Uuid::new_v4().as_fields().1 % width;
    (0..width)
        .map(|step| PORTS.start + (first + step) % width)
        .find(|port| is_free(*port))
        .ok_or_else(|| StartFailure::System("no port is free".to_owned()))
}

fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A process that listens.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) pool: Arc<Pool>,
    contract: Contract,
    open: Mutex<HashSet<u64>>,
    exited: CancellationToken,
    /// It is to finish and to end.
    leave: CancellationToken,
    /// It is to do so within the limit.
    hurry: CancellationToken,
}

impl Process {
    /// Remembers a request until its `end` frame, or, without frames, until its answer. A mark that is dropped early
    /// ends it as well.
    pub(crate) fn begin(self: &Arc<Self>, request_id: u64) -> OpenRequest {
        self.open.lock().insert(request_id);
        OpenRequest {
            process: self.clone(),
            request_id,
            answered: false,
        }
    }

    /// Requests whose work, what they left behind included, is not done.
    pub(crate) fn open_requests(&self) -> usize {
        self.open.lock().len()
    }

    pub(crate) fn has_exited(&self) -> bool {
        self.exited.is_cancelled()
    }

    /// Waits for the end of the process, for a moment.
    pub(crate) async fn exits_within(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.exited.cancelled()).await.is_ok()
    }

    /// Whether it takes no more requests: it was asked to end, or has ended.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leave.is_cancelled() || self.has_exited()
    }

    /// Asks it to finish its work and end, however long that takes.
    pub(crate) fn retire(&self) {
        self.leave.cancel();
    }

    /// Lets it finish, or ends it.
    pub(crate) async fn stop(&self) {
        self.leave.cancel();
        self.hurry.cancel();
        self.exited.cancelled().await;
    }
}

/// A request that a process works on. A function whose caller left sends no `end` frame.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    process: Arc<Process>,
    request_id: u64,
    /// Whether a frame will end it.
    answered: bool,
}

impl OpenRequest {
    /// The answer is complete: the `end` frame of a function reports when the work is.
    pub(crate) fn answered(mut self) {
        self.answered = self.process.contract == Contract::Function;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if !self.answered {
            self.process.open.lock().remove(&self.request_id);
        }
    }
}

/// Says once that a server takes connections.
async fn reach(port: u16, started: oneshot::Sender<()>) {
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
        tokio::time::sleep(LISTEN_CHECK).await;
    }
    let _ = started.send(());
}

async fn hear(name: String, listener: UnixListener, process: Arc<Process>, started: oneshot::Sender<()>) {
    let Ok((stream, _)) = listener.accept().await else {
        return;
    };
    let mut started = Some(started);
    ipc::listen(stream, |frame| match frame {
        Frame::ServerStarted => {
            if let Some(started) = started.take() {
                let _ = started.send(());
            }
        }
        Frame::End { request_id } => {
            process.open.lock().remove(&request_id);
        }
        Frame::Log { level, message } => {
            message
                .lines()
                .for_each(|line| console::line(&name, format_args!("{level} {line}")));
        }
    })
    .await;
}

fn pass_on(name: &str, stream: impl AsyncRead + Unpin + Send + 'static) -> JoinHandle<()> {
    let name = name.to_owned();
    tokio::spawn(async move {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|length| length > 0)
        {
            console::line(&name, String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    })
}

async fn watch(
    name: String,
    mut child: Child,
    process: Arc<Process>,
    listening: JoinHandle<()>,
    gone: impl FnOnce(),
) {
    tokio::select! {
        status = child.wait() => console::line("gateway", format_args!("{name} ended ({})", described(status))),
        () = process.leave.cancelled() => {
            if let Some(pid) = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
                let _ = kill_process(pid, Signal::TERM);
            }
            let limit = async {
                process.hurry.cancelled().await;
                tokio::time::sleep(DRAIN_LIMIT).await;
            };
            tokio::select! {
                _ = child.wait() => {}
                () = limit => {
                    console::line("gateway", format_args!("{name} did not finish in time and is killed"));
                    let _ = child.kill().await;
                }
            }
        }
    }
    listening.abort();
    process.exited.cancel();
    gone();
}

fn described(status: std::io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}
