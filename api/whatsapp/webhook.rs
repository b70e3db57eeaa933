//! `/api/whatsapp/webhook`: what Meta tells us.

use std::process::ExitCode;

/// A delivery allocates a hundred times and more, and deliveries come by the thousand: glibc's allocator took a sixth of
/// the instructions of each. It costs memory, which the other functions keep.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    function::serve(crm_core::webhooks::webhook())
}
