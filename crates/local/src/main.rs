//! `crm-local serve`: the parts of the local stack written in Rust. One line of JSON on standard input says what to
//! run; `{"event":"ready"}` on standard output says that it runs; SIGTERM, SIGINT or the end of standard input ends
//! it together with everything it started.

use std::io::BufRead;
use std::process::ExitCode;

use crm_local::config::Config;
use crm_local::exec_function::exec_function;
use crm_local::{console, serve};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let command = arguments.next().unwrap_or_default();
    let outcome = match (command.to_str(), arguments.next(), arguments.next()) {
        (Some("serve"), None, None) => run(),
        (Some("exec-function"), Some(gateway), Some(binary)) => {
            let Err(reason) = exec_function(&gateway, &binary);
            console::line("crm-local", reason);
            return ExitCode::FAILURE;
        }
        _ => {
            console::line("crm-local", "usage: crm-local serve < configuration.json");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            console::error(&reason.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), serve::Refusal> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let config = Config::parse(&line)?;
    let stop = CancellationToken::new();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let (mut terminate, mut interrupt) =
                (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let signalled = stop.clone();
            tokio::spawn(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                signalled.cancel();
            });
            watch_stdin(stop.clone());
            serve::serve(config, stop, console::ready).await
        })
}

/// Stops when standard input ends: whoever started this is gone. A thread of its own, because a read that waits
/// would keep the runtime from ending.
fn watch_stdin(stop: CancellationToken) {
    std::thread::spawn(move || {
        let mut rest = String::new();
        let mut stdin = std::io::stdin().lock();
        while stdin.read_line(&mut rest).is_ok_and(|length| length > 0) {
            rest.clear();
        }
        stop.cancel();
    });
}
