//! The parts of the local stack written in Rust: the Meta simulator, the Redis REST API, the gateway that runs the
//! built functions as Vercel does, and the cron ticker.

pub mod clock;
pub mod config;
pub mod console;
pub mod cron;
pub mod error_body;
pub mod exec_function;
pub mod gateway;
pub mod http_client;
pub mod http_server;
pub mod meta;
pub mod serve;
pub mod upstash;
pub mod vercel_json;
