//! Serves a router as a Vercel function.
//!
//! `vercel_runtime`'s own axum layer reads every body into memory and drops the platform's state. This one streams
//! bodies and gives handlers the platform's way to keep working after the answer.

use std::process::ExitCode;

use axum::Router;
use axum::body::{Body, HttpBody};
use crm_core::{App, Background, Config};
use tower::ServiceExt;
use vercel_runtime::axum::StreamingUtils;
use vercel_runtime::{AppState, Error, Request, Response, ResponseBody, service_fn};

#[doc(hidden)]
pub use mimalloc::MiMalloc;

/// Makes a function allocate with mimalloc, for a function that is called very often. Storing a webhook takes more than
/// a hundred allocations, and glibc's allocator needed a sixth of all instructions. It costs about 6 MB of memory,
/// which other functions save.
#[macro_export]
macro_rules! allocate_quickly {
    () => {
        #[global_allocator]
        static ALLOCATOR: $crate::MiMalloc = $crate::MiMalloc;
    };
}

/// Serves `router` until the platform ends the process. A function that cannot start writes all reasons in one line to
/// stderr.
pub fn serve(router: impl Into<Router<App>>) -> ExitCode {
    crm_core::log_lines::start();
    let started = start(router.into());
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(router: Router<App>) -> Result<(), Error> {
    let app = App::new(Config::from_environment()?)?;
    let router = crm_core::shell(router, app);
    // One thread is enough: a function instance has one core and mostly waits.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(vercel_runtime::run(service_fn(move |request, state| {
        answer(router.clone(), request, state)
    })))
}

async fn answer(router: Router, request: Request, state: AppState) -> Result<Response<ResponseBody>, Error> {
    let mut request = request.map(Body::new);
    let background = Background::new(move |work| state.wait_until(work));
    request.extensions_mut().insert(background);
    let Ok(response) = router.oneshot(request).await;
    // A body that is in memory is sent in one piece. The runtime would stream it, and a body in separate packets waits
    // 40 ms for the client's delayed acknowledgement.
    if response.body().size_hint().exact().is_some() {
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await?;
        return Ok(Response::from_parts(parts, bytes.into()));
    }
    StreamingUtils::process_response(response).await
}
