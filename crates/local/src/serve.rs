//! `crm-local serve`: starts the configured parts and ends them together.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::console;
use crate::cron::{self, Caller, CronJob};
use crate::gateway::{Backend, Gateway, GatewayOptions};
use crate::http_server::{self, BindError};
use crate::meta::Simulator;
use crate::upstash::Upstash;
use crate::vercel_json::VercelJson;

/// How long running requests may take once everything stops.
const GRACE: Duration = Duration::from_secs(3);

/// The reason why nothing runs, in one line.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// The opened parts, before any of them answers.
struct Parts {
    app: Option<(TcpListener, Arc<Gateway>)>,
    meta: Option<TcpListener>,
    upstash: Option<TcpListener>,
    crons: Option<(Vec<CronJob>, Caller)>,
}

/// Runs until `stop`. It calls `ready` when every listener answers. On every message of `rebuilt`, the new build takes
/// over from the running functions.
pub async fn serve(
    config: Config,
    stop: CancellationToken,
    ready: impl FnOnce(),
    mut rebuilt: UnboundedReceiver<()>,
) -> Result<(), Refusal> {
    let parts = open(&config).await?;
    let servers = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    if let (Some(listener), Some(meta)) = (parts.meta, config.meta) {
        let simulator = Simulator::start(meta, Clock::running(), servers.clone())?;
        tasks.spawn(http_server::serve_router(
            listener,
            servers.clone(),
            Duration::ZERO,
            simulator.router(),
        ));
    }
    if let Some(listener) = parts.upstash {
        let router = Upstash::new(config.upstash_token).router();
        tasks.spawn(http_server::serve_router(
            listener,
            servers.clone(),
            Duration::ZERO,
            router,
        ));
    }
    let app = parts.app.map(|(listener, gateway)| {
        let handling = gateway.clone();
        let handle = move |request, peer| {
            let gateway = handling.clone();
            async move { Ok(gateway.handle(request, peer).await) }
        };
        (
            gateway,
            tokio::spawn(http_server::serve(listener, stop.clone(), GRACE, handle)),
        )
    });
    if let Some((jobs, caller)) = parts.crons {
        let call = move |path| caller.clone().call(path);
        tokio::spawn(cron::tick(jobs, Utc::now, call, stop.clone()));
    }
    ready();
    let replacing = async {
        while let Some(()) = rebuilt.recv().await {
            let outcome = match &app {
                Some((gateway, _)) => gateway.replace_running().await,
                None => Ok(()),
            };
            console::replaced(outcome);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = replacing => {}
    }
    if let Some((gateway, serving)) = app {
        let _ = serving.await;
        gateway.stop().await;
    }
    // Last, because functions that are finishing their work still call these.
    servers.cancel();
    tasks.join_all().await;
    Ok(())
}

async fn open(config: &Config) -> Result<Parts, Refusal> {
    let listen = async |port: Option<u16>, part| -> Result<Option<TcpListener>, BindError> {
        match port {
            Some(port) => http_server::bind(port, part).await.map(Some),
            None => Ok(None),
        }
    };
    let app = listen(config.app_port, "app").await?;
    let meta = listen(config.meta_port, "Meta simulator").await?;
    let upstash = listen(config.upstash_port, "Redis REST API").await?;
    let Some(listener) = app else {
        return Ok(Parts {
            app: None,
            meta,
            upstash,
            crons: None,
        });
    };
    let project = VercelJson::read(&config.root)?;
    let crons = if config.cron {
        let jobs: Vec<_> = project
            .crons
            .iter()
            .map(CronJob::try_from)
            .collect::<Result<_, _>>()?;
        let app_url = format!("http://{}", listener.local_addr()?);
        Some((jobs, Caller::new(app_url, config.cron_secret.clone())?))
    } else {
        None
    };
    let options = GatewayOptions {
        root: config.root.clone(),
        backend: match &config.server {
            Some(binary) => Backend::Server(binary.clone()),
            None => Backend::Functions(config.functions_dir.clone()),
        },
        environment: config.environment.clone(),
        exec_through: cfg!(target_os = "linux")
            .then(std::env::current_exe)
            .transpose()?,
    };
    let gateway = Gateway::open(options, &project)?;
    if let Some((jobs, _)) = &crons {
        console::line("cron", format_args!("{} jobs of vercel.json run", jobs.len()));
    }
    Ok(Parts {
        app: Some((listener, gateway)),
        meta,
        upstash,
        crons,
    })
}
