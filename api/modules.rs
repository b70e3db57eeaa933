//! `/api/modules`: the modules of the product.

use std::process::ExitCode;

fn main() -> ExitCode {
    function::serve(access::modules::modules())
}
