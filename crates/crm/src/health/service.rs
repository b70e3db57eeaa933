//! `GET /api/health`: the health of the service and of the services it needs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crm_core::app::App;
use crm_core::contract::Routes;
use crm_core::rate_limit::{Limited, PublicRoute};
use crm_core::routes;

crm_core::words! {
    /// The state of the service.
    pub(crate) HealthStatus = "ok", "degraded";
    /// The state of the database.
    pub(crate) DatabaseHealth = "ok", "unavailable", "unguarded";
    /// The state of Redis.
    pub(crate) RedisHealth = "ok", "unavailable", "not_configured";
}

/// Health of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServiceHealth {
    /// `ok`, or `degraded` when the database is unavailable or unguarded. Redis is a cache: without it the service continues.
    #[schema(example = "ok", value_type = HealthStatus)]
    status: &'static str,
    /// The version of this software.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// `ok`, `unavailable`, or `unguarded`: it does not run `private.begin_request` before each request. It then takes
    /// writes past the API, and no API key works.
    #[schema(value_type = DatabaseHealth)]
    database: &'static str,
    /// `ok`, `unavailable` or `not_configured`
    #[schema(value_type = RedisHealth)]
    redis: &'static str,
    meta: GraphHealth,
}

/// The version of Meta's API in use.
#[derive(Serialize, ToSchema)]
struct GraphHealth {
    #[schema(example = "v25.0")]
    graph_version: String,
    /// After this day Meta serves another version instead.
    graph_version_expires: Option<NaiveDate>,
    /// Whether that day has passed or comes within 90 days.
    graph_version_expires_soon: bool,
}

/// Whether the database checks each request before it runs.
#[derive(Deserialize)]
struct Guard {
    writes_guarded: bool,
}

/// The name under which requests are counted.
pub(crate) struct Health;

impl PublicRoute for Health {
    const NAME: &'static str = "health";
}

/// `/api/health`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(service_health))
}

/// Report whether the service is healthy.
///
/// Monitoring can call this without credentials. The status is 503 with the same body if the database does not answer, or
/// does not check who writes.
/// Redis is a cache: without it the service continues.
#[utoipa::path(
    get, path = "/api/health", tag = "health",
    responses((status = 200, body = ServiceHealth), (status = 503, body = ServiceHealth)),
)]
pub(crate) async fn service_health(State(app): State<App>, _: Limited<Health>) -> Response {
    let (database, redis) = tokio::join!(database(&app), redis(&app));
    let health = ServiceHealth {
        status: if database == "ok" { "ok" } else { "degraded" },
        version: env!("CARGO_PKG_VERSION"),
        database,
        redis,
        meta: graph(&app),
    };
    let status = if database == "ok" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

async fn database(app: &App) -> &'static str {
    match app.supabase().as_service().rpc("worker_health", &()).await {
        Ok(Guard { writes_guarded: true }) => "ok",
        Ok(Guard {
            writes_guarded: false,
        }) => {
            log::error!("health: PostgREST does not run private.begin_request");
            "unguarded"
        }
        Err(error) => {
            log::error!("health: {}", error.source_text());
            "unavailable"
        }
    }
}

async fn redis(app: &App) -> &'static str {
    let Some(redis) = app.redis() else {
        return "not_configured";
    };
    match redis.command(&["PING"]).await {
        Ok(_) => "ok",
        Err(error) => {
            log::warn!("health: {error}");
            "unavailable"
        }
    }
}

fn graph(app: &App) -> GraphHealth {
    let version = &app.config().graph_version;
    let expires = version.expires();
    let soon = expires.is_some_and(|day| day - Utc::now().date_naive() <= chrono::TimeDelta::days(90));
    GraphHealth {
        graph_version: version.to_string(),
        graph_version_expires: expires,
        graph_version_expires_soon: soon,
    }
}
