//! Problems of a message as fields of a refusal.

use whatsapp::client::Problem;
use whatsapp::error_codes::Locale;
use whatsapp::template::ProblemReason;

use crm_core::error::ApiError;
use crm_core::text::Text;

/// 422 naming every problem that would make Meta refuse the message.
pub(super) fn refuse(problems: Vec<Problem>) -> Result<(), ApiError> {
    if problems.is_empty() {
        return Ok(());
    }
    let fields = problems.into_iter().map(|problem| {
        let text = Text::new(
            problem.reason.explain(Locale::English),
            problem.reason.explain(Locale::Indonesian),
        );
        (problem.field, text)
    });
    Err(ApiError::fields(fields.collect()))
}

/// 422 for values that do not match their template.
pub(super) fn refuse_variables(problems: Vec<whatsapp::template::Problem>) -> ApiError {
    let fields = problems.into_iter().map(|problem| {
        let indonesian = match problem.reason {
            ProblemReason::Missing => "nilainya tidak ada".to_owned(),
            ProblemReason::Unexpected => "template tidak memiliki variabel ini".to_owned(),
            ProblemReason::Empty => "nilainya kosong".to_owned(),
            ProblemReason::Whitespace => {
                "tidak boleh berisi ganti baris, tab, atau lebih dari 4 spasi berturut-turut".to_owned()
            }
            ProblemReason::TooLong(limit) => format!("lebih dari {limit} karakter setelah diisi"),
            ProblemReason::NotAFile => "bukan alamat https maupun id berkas yang diunggah".to_owned(),
            ProblemReason::NotAPlace => "bukan berbentuk: lintang, bujur; nama; alamat".to_owned(),
            ProblemReason::Unsupported => "template dengan bagian ini tidak dapat dikirim".to_owned(),
        };
        (
            format!("template.variables.{}", problem.variable),
            Text::new(problem.reason.to_string(), indonesian),
        )
    });
    ApiError::fields(fields.collect())
}
