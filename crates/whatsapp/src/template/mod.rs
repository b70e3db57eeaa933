//! Templates: which values one needs, whether given values will do, and what to send.

mod definition;
mod placeholder;
mod variables;

pub use definition::{InvalidDefinition, TemplateDefinition};
pub use variables::{Problem, ProblemReason, Variable, VariableKind, Variables};
