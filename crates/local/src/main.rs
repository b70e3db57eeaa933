//! `crm-local serve`: the parts of the local stack written in Rust.

fn main() {}
