//! Problems that would make Meta refuse a template, as answers name them.

use serde::Serialize;
use utoipa::ToSchema;
use whatsapp::error_codes::Locale;
use whatsapp::template::DraftProblem;

use crm_core::error::ApiError;
use crm_core::text::Text;

crm_core::words! {
    /// A step of the template editor.
    pub(crate) TemplateStep = "basics", "header", "body", "buttons", "examples", "review";
}

/// A problem that must be solved before the template can be submitted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TemplateProblem {
    /// `basics`, `header`, `body`, `buttons`, `examples` or `review`
    #[schema(value_type = TemplateStep)]
    step: whatsapp::template::Step,
    /// The wrong field, for example `content`, `header.text`, `buttons[1].url` or `variables.2`.
    #[schema(example = "variables.2")]
    field: String,
    #[schema(example = "needs an example")]
    message: String,
}

impl TemplateProblem {
    pub(super) fn list(problems: &[DraftProblem], locale: Locale) -> Vec<Self> {
        problems
            .iter()
            .map(|problem| Self {
                step: problem.step,
                field: problem.field.clone(),
                message: problem.fault.explain(locale),
            })
            .collect()
    }
}

/// 422 naming every field that is wrong.
pub(super) fn refuse(problems: &[DraftProblem]) -> ApiError {
    let fields = problems.iter().map(|problem| {
        let text = Text::new(
            problem.fault.explain(Locale::English),
            problem.fault.explain(Locale::Indonesian),
        );
        (problem.field.clone(), text)
    });
    ApiError::fields(fields.collect())
}
