//! `crm-local serve`: runs the parts of the local stack that are written in Rust. One line of JSON on standard input is
//! the configuration. `{"event":"ready"}` on standard output reports that all parts run. SIGTERM, SIGINT or the end of
//! standard input ends the process together with everything it started. The line `rebuilt` replaces the running
//! functions by the new build; the answer is `{"event":"replaced","failure":null}`, or has the reason why the old ones
//! continue.

use std::ffi::OsString;
use std::io::BufRead;
use std::process::ExitCode;

use crm_local::config::Config;
use crm_local::exec_function::exec_function;
use crm_local::{console, serve};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let command = arguments.first().and_then(|command| command.to_str());
    let outcome = match (command, arguments.get(1..).unwrap_or_default()) {
        (Some("serve"), []) => run(),
        (Some("exec-function"), [gateway, binary, arguments @ ..]) => {
            let Err(reason) = exec_function(gateway, binary, arguments);
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
            let (sender, rebuilt) = mpsc::unbounded_channel();
            watch_stdin(stop.clone(), sender);
            serve::serve(config, stop, console::ready, rebuilt).await
        })
}

/// Passes on the launcher's lines, and stops when standard input ends, because the launcher is gone. It runs in a
/// thread of its own: a waiting read would keep the runtime from ending.
fn watch_stdin(stop: CancellationToken, rebuilt: mpsc::UnboundedSender<()>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line == "rebuilt" {
                let _ = rebuilt.send(());
            }
        }
        stop.cancel();
    });
}
