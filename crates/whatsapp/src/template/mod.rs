//! Message templates: Meta's rules for them, their preview, their variables, the checks of values and the
//! components that are sent.

mod button_rules;
mod component_checks;
mod composition;
mod definition;
mod draft;
mod draft_problem;
mod formatting;
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
