//! Tests of `crm-local serve`, started as the launcher starts it.

use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::site::{PATIENCE, Repository, answer, eventually, handles_sigterm, is_gone, kill, listed};

struct Serve {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    repository: Repository,
    client: reqwest::Client,
    ports: [u16; 3],
}

fn free_ports() -> [u16; 3] {
    // All listeners are open at the same time, so that their ports differ.
    let listeners = [0; 3].map(|port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

impl Serve {
    /// Starts the program and passes its configuration.
    async fn start(ports: [u16; 3]) -> Self {
        Self::start_with(ports, |_| None).await
    }

    /// The same, with a server for all functions where `server` names one.
    async fn start_with(ports: [u16; 3], server: impl FnOnce(&Repository) -> Option<PathBuf>) -> Self {
        let repository = Repository::new();
        let server = server(&repository);
        let [app, meta, upstash] = ports;
        let config = json!({
            "root": repository.root(), "functions_dir": repository.root().join("bin"), "server": server,
            "app_port": app, "meta_port": meta, "upstash_port": upstash, "cron": true, "cron_secret": "cron",
            "upstash_token": "redis", "environment": {"SETTING": "on"},
            "meta": {"app_secret": "s", "verify_token": "v", "access_token": "t", "app_id": "1",
                "webhook_url": format!("http://127.0.0.1:{app}/api/echo"), "state_file": repository.root().join("meta.json"),
                "numbers": [{"phone_number_id": "1", "display_phone_number": "+62 811 1", "business_account_id": "2",
                    "verified_name": "Toko"}], "templates": []},
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_crm-local"))
            .arg("serve")
            // Files that a killed program leaves behind are deleted with the repository.
            .env("TMPDIR", repository.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{config}\n").as_bytes()).await.unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let client = crm_local::http_client::build(PATIENCE).unwrap();
        Self {
            child,
            stdin: Some(stdin),
            stdout,
            repository,
            client,
            ports,
        }
    }

    /// The next event; `None` when the program closes its output.
    async fn event(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await;
        line.expect("an event comes in time")
            .unwrap()
            .map(|line| serde_json::from_str(&line).unwrap())
    }

    async fn ready(ports: [u16; 3]) -> Self {
        Self::start(ports).await.when_ready().await
    }

    async fn when_ready(mut self) -> Self {
        assert_eq!(self.event().await, Some(json!({"event": "ready"})));
        self
    }

    async fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    fn app(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// Starts a function and returns its process id.
    async fn function(&self) -> u64 {
        let (status, echo) = answer(self.client.get(format!("{}/api/echo", self.app()))).await;
        assert_eq!(status, 200, "{echo}");
        echo["pid"].as_u64().unwrap()
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        status.expect("it ends in time").unwrap().code()
    }
}

#[tokio::test]
async fn everything_answers_once_it_is_ready() {
    let serve = Serve::ready(free_ports()).await;
    serve.function().await;
    let [_, meta, upstash] = serve.ports;
    let number = serve
        .client
        .get(format!("http://127.0.0.1:{meta}/v25.0/1"))
        .bearer_auth("t");
    assert_eq!(answer(number).await.0, 200);
    let ping = serve
        .client
        .post(format!("http://127.0.0.1:{upstash}/"))
        .bearer_auth("redis")
        .json(&json!(["PING"]));
    assert_eq!(answer(ping).await, (200, json!({"result": "PONG"})));
    let said = json!({"phone_number_id": "1", "from": "62812000001", "text": "Halo"});
    let said = serve
        .client
        .post(format!("http://127.0.0.1:{meta}/_sim/customer/messages"))
        .json(&said);
    assert_eq!(answer(said).await.1["webhook_status"], 200);
    assert_eq!(listed(&serve.client, &serve.app(), "echo").await["requests"], 2);
}

#[tokio::test]
async fn the_end_of_standard_input_stops_everything() {
    let mut serve = Serve::ready(free_ports()).await;
    let function = serve.function().await;
    drop(serve.stdin.take());
    assert_eq!(serve.exit_code().await, Some(0));
    assert!(is_gone(function));
    assert_eq!(serve.event().await, None);
}

#[tokio::test]
async fn background_work_of_functions_finishes_before_the_stop() {
    let mut serve = Serve::ready(free_ports()).await;
    let file = serve.repository.file("go");
    let url = format!("{}/api/echo?afterwards={file}", serve.app());
    let (_, echo) = answer(serve.client.get(url)).await;
    let function = echo["pid"].as_u64().unwrap();
    handles_sigterm(function).await;
    drop(serve.stdin.take());
    // A stopping gateway accepts no more connections.
    eventually(async || serve.client.get(serve.app()).send().await.err()).await;
    assert!(!is_gone(function));
    std::fs::write(&file, "").unwrap();
    assert_eq!(serve.exit_code().await, Some(0));
    assert!(std::path::Path::new(&format!("{file}.done")).exists());
}

#[tokio::test]
async fn signals_stop_everything() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut serve = Serve::ready(free_ports()).await;
        let function = serve.function().await;
        kill(&json!(serve.child.id().unwrap()), signal);
        assert_eq!(serve.exit_code().await, Some(0));
        assert!(is_gone(function));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn functions_do_not_outlive_a_killed_gateway() {
    let mut serve = Serve::ready(free_ports()).await;
    let function = serve.function().await;
    serve.child.kill().await.unwrap();
    eventually(async || is_gone(function).then_some(())).await;
}

#[tokio::test]
async fn it_restarts_on_the_same_ports_and_state() {
    let ports = free_ports();
    for _ in 0..2 {
        let mut serve = Serve::ready(ports).await;
        serve.function().await;
        assert!(serve.repository.root().join("meta.json").exists());
        drop(serve.stdin.take());
        assert_eq!(serve.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn a_busy_port_is_reported_in_one_line() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = holder.local_addr().unwrap().port();
    let [app, _, upstash] = free_ports();
    let mut serve = Serve::start([app, busy, upstash]).await;
    let event = serve.event().await.unwrap();
    assert_eq!(event["event"], "error");
    let message = event["message"].as_str().unwrap();
    assert!(
        message.contains(&busy.to_string()) && message.contains("Meta simulator"),
        "{message}"
    );
    assert_eq!(serve.event().await, None);
    assert_eq!(serve.exit_code().await, Some(1));
}

#[tokio::test]
async fn an_invalid_configuration_is_reported_in_one_line() {
    let repository = Repository::new();
    for (vercel_json, config) in [
        ("{}", "not json".to_owned()),
        ("{}", json!({"root": repository.root(), "functions_dir": "/x", "upstash_port": 1}).to_string()),
        (
            r#"{"crons":[{"path":"/api/echo","schedule":"often"}]}"#,
            json!({"root": repository.root(), "functions_dir": "/x", "app_port": 0, "cron": true, "cron_secret": "s"})
                .to_string(),
        ),
    ] {
        std::fs::write(repository.root().join("vercel.json"), vercel_json).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_crm-local"))
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{config}\n").as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        let event: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["event"], "error", "{text}");
    }
}

#[tokio::test]
async fn what_was_built_meanwhile_takes_over_when_the_launcher_says_so() {
    let server = |repository: &Repository| Some(repository.root().join("bin/server"));
    let serve = Serve::start_with(free_ports(), server).await;
    let mut serve = serve.when_ready().await;
    let before = serve.function().await;
    serve.say("rebuilt").await;
    assert_eq!(
        serve.event().await,
        Some(json!({"event": "replaced", "failure": null}))
    );
    let after = serve.function().await;
    assert_ne!(after, before);
    eventually(async || is_gone(before).then_some(())).await;

    serve.repository.break_server();
    serve.say("rebuilt").await;
    let event = serve.event().await.unwrap();
    let failure = event["failure"].as_str().unwrap();
    assert!(failure.contains("failed to start"), "{failure}");
    assert_eq!(serve.function().await, after);

    drop(serve.stdin.take());
    assert_eq!(serve.exit_code().await, Some(0));
    assert!(is_gone(after));
}
