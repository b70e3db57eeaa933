//! `crm-local exec-function`: turns this process into a function that ends with the gateway, even if the gateway is
//! killed.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process by the binary with its arguments, as a child of `gateway`. Returns only if that fails.
pub fn exec_function(gateway: &OsStr, binary: &OsStr, arguments: &[OsString]) -> Result<Infallible, String> {
    #[cfg(target_os = "linux")]
    end_with(gateway)?;
    #[cfg(not(target_os = "linux"))]
    let _ = gateway;
    Err(format!(
        "{}: {}",
        binary.display(),
        Command::new(binary).args(arguments).exec()
    ))
}

#[cfg(target_os = "linux")]
fn end_with(gateway: &OsStr) -> Result<(), String> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    // The gateway may have ended before the line above.
    if gateway != Pid::as_raw(getppid()).to_string().as_str() {
        return Err("the gateway is gone".to_owned());
    }
    Ok(())
}
