//! The readers of uploaded files against files that were made to do harm, and against mutated real ones.
//!
//! Every test runs alone and measures how much memory the reader holds at once.

#![expect(clippy::unwrap_used, reason = "a failing helper fails the test")]

mod attacks;
mod fuzz;
mod memory;
mod workbook;
