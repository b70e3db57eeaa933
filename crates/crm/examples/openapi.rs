//! Writes the document of the API to standard output. `npm run openapi` keeps it in `crates/crm/openapi.json`.

use std::io::{Write, stdout};

fn main() -> std::io::Result<()> {
    writeln!(stdout(), "{:#}", crm::openapi_document())
}
