//! `crm-server <address>:<port>`: serves every route until SIGTERM or SIGINT.

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use crm_core::{App, Config};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    crm_core::log_lines::start();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error + Send + Sync>> {
    let address = address(std::env::args().skip(1))?;
    let app = App::new(Config::from_environment()?)?;
    let router = crm_core::shell(crm::router(), app);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::bind(address)
                .await
                .map_err(|error| format!("{address} cannot be listened on: {error}"))?;
            let (mut terminate, mut interrupt) =
                (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let stop = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            crm_server::serve(listener, router, stop).await?;
            Ok(())
        })
}

fn address(mut arguments: impl Iterator<Item = String>) -> Result<SocketAddr, String> {
    let usage = "usage: crm-server <address>:<port>, for example 127.0.0.1:3000";
    match (arguments.next(), arguments.next()) {
        (Some(address), None) => address.parse().map_err(|_| usage.to_owned()),
        _ => Err(usage.to_owned()),
    }
}
