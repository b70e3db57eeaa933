//! Templates: what one may be, what it looks like, which values it needs, whether given values will do, and what to
//! send.

mod button_rules;
mod composition;
mod definition;
mod draft;
mod draft_problem;
mod formatting;
mod given_components;
mod limits;
mod placeholder;
mod preview;
mod refusals;
mod text_rules;
mod variables;

pub use composition::{Button, Composition, Header, HeaderFormat};
pub use definition::{InvalidDefinition, TemplateDefinition};
pub use draft::Draft;
pub use draft_problem::{DraftProblem, Fault, Step};
pub use formatting::{Span, spans};
pub use limits::{LIMITS, Limits, SampleLimit};
pub use preview::{ButtonPreview, HeaderPreview, Preview, TextPreview};
pub use refusals::{explain_refusal, explain_rejection};
pub use variables::{Problem, ProblemReason, Variable, VariableKind, Variables};
