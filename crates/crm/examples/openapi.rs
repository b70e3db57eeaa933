//! Writes the document of the API to standard output: `cargo run --example openapi`.

use std::io::{Write, stdout};

fn main() -> std::io::Result<()> {
    stdout().write_all(crm::openapi_document().to_string().as_bytes())
}
