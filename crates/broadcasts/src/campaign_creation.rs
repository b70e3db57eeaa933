//! `POST /api/broadcast/campaigns`.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::template::{Problem, ProblemReason, TemplateDefinition};

use super::campaign::{Campaign, QuietHours, TIME_LIMIT};
use super::hand_over::send_soon;
use super::recipient::{Recipient, RecipientInput};
use super::variable_mapping::VariableMapping;
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::field_rules::required_text;
use crm_core::json_body::{JsonBody, created};
use crm_core::permissions::{BroadcastsCreate, BroadcastsSend};
use crm_core::routes;
use crm_core::text::Text;

/// The most recipients of one request.
const MAX_RECIPIENTS: usize = 10_000;
/// The largest body that Vercel accepts.
const MAX_BODY: usize = 4_500_000;
/// The most problems that one answer names.
const MAX_PROBLEMS: usize = 50;

/// A campaign to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCampaign {
    #[schema(example = "Promo akhir tahun")]
    name: String,
    /// An approved template.
    template_id: Uuid,
    /// The number that sends it. It may be left out if only one number can send the template.
    session_id: Option<Uuid>,
    /// The person in whose name it is sent; the caller if left out.
    sender_id: Option<Uuid>,
    /// When to start: a time with an offset, or without one in the tenant's time zone. It must be ahead; leave it out to
    /// start at once. `send_at` is another name of it.
    #[schema(example = "2026-12-01T09:00")]
    #[serde(alias = "send_at")]
    scheduled_at: Option<String>,
    /// Whether each recipient gets it at that time in their own time zone.
    #[serde(default)]
    recipient_local: bool,
    quiet_hours: Option<QuietHours>,
    /// Whether the campaign waits for `POST /api/broadcast/campaigns/{id}/send`. A draft may have a template that is
    /// not approved yet, and no recipients.
    #[serde(default)]
    draft: bool,
    /// 1 to 10,000 phone numbers, or objects with `phone_number`, `name` and `variables`. A number listed
    /// twice gets one message.
    #[schema(max_items = 10000, min_items = 1)]
    #[serde(default)]
    recipients: Vec<RecipientInput>,
    /// All entries of this recipient list, in the place of `recipients`.
    recipient_list_id: Option<Uuid>,
    /// All contacts of this segment that have a phone number now, in the place of `recipients`.
    segment_id: Option<Uuid>,
    /// The sources of the template's variables for entries of a list or a segment: in their order, or by their names.
    /// If left out, the columns of the list are used; a segment has none.
    variable_mapping: Option<VariableMapping>,
    /// The errors of the check to send in spite of, by their codes. Any other error refuses the campaign.
    #[schema(example = json!(["missing_variables"]))]
    accept_problems: Option<Vec<String>>,
}

/// The campaign that was created.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedCampaign {
    #[serde(flatten)]
    campaign: Campaign,
    /// The number of duplicate phone numbers that were removed.
    duplicates_removed: u64,
}

pub(super) fn router() -> Routes {
    Routes::new()
        .routes(routes!(create_campaign))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Create a campaign.
///
/// Recipients come from exactly one of `recipients`, `recipient_list_id` and `segment_id`. The campaign is created with
/// all its recipients or not at all: one wrong recipient refuses the whole request, and `fields` names it, for example
/// `recipients[3].phone_number`. Unless it is a draft, the campaign starts at `scheduled_at`, or at once; that
/// needs `broadcasts.send` as well, and a check without errors (`GET /api/broadcast/campaigns/{id}/check`) except for those in
/// `accept_problems`. `campaign_problems` names the others as fields.
#[utoipa::path(
    post, path = "/api/broadcast/campaigns", tag = "broadcasts",
    request_body(content = NewCampaign, example = json!({
        "name": "Promo akhir tahun", "template_id": "3f0c7a52-6a0b-4f0e-9c3c-0d9f1c5d2b10",
        "recipients": [{"phone_number": "+62 812-3456-7890", "name": "Ani", "variables": ["Ani"]}, "6281234567891"]
    })),
    responses(
        (status = 201, body = CreatedCampaign),
        (status = 403, description = "role_too_high"),
        (status = 409, description = "list_not_ready"),
        (status = 422, description = "template_not_approved, variables_unmapped, invalid_filter, campaign_problems"),
    ),
)]
pub(crate) async fn create_campaign(
    permitted: Permitted<BroadcastsCreate>,
    State(app): State<App>,
    background: Background,
    JsonBody(campaign): JsonBody<NewCampaign>,
) -> Result<(StatusCode, Json<CreatedCampaign>), ApiError> {
    if !campaign.draft {
        permitted.caller.require::<BroadcastsSend>()?;
    }
    let name = required_text("name", &campaign.name, 200)?;
    if let Some(hours) = &campaign.quiet_hours {
        hours.check()?;
    }
    let template = read_template(&permitted.caller, campaign.template_id).await?;
    let from_elsewhere = one_source(
        !campaign.recipients.is_empty(),
        campaign.recipient_list_id,
        campaign.segment_id,
    )?;
    let recipients = match campaign.recipients {
        none if none.is_empty() && (from_elsewhere || campaign.draft) => Vec::new(),
        listed => checked_recipients(listed, &template)?,
    };
    let given = recipients.len() as u64;

    let arguments = json!({
        "name": name,
        "template_id": campaign.template_id,
        "recipients": recipients,
        "session_id": campaign.session_id,
        "sender_id": campaign.sender_id,
        "options": {
            "draft": campaign.draft,
            "scheduled_at": campaign.scheduled_at,
            "recipient_local": campaign.recipient_local,
            "quiet_hours": campaign.quiet_hours,
            "recipient_list_id": campaign.recipient_list_id,
            "segment_id": campaign.segment_id,
            "variable_mapping": campaign.variable_mapping,
            "accept_problems": campaign.accept_problems,
        },
    });
    let campaign: Campaign = permitted
        .caller
        .database()
        .with_time_limit(TIME_LIMIT)
        .rpc("create_campaign", &arguments)
        .await?;
    send_soon(app, &background, &campaign);
    let duplicates_removed = given.saturating_sub(campaign.statistics.total.min(given));
    Ok(created(CreatedCampaign {
        campaign,
        duplicates_removed,
    }))
}

/// Whether recipients come from a list or a segment. At most one source may be given.
pub(super) fn one_source(listed: bool, list: Option<Uuid>, segment: Option<Uuid>) -> Result<bool, ApiError> {
    let given = [listed, list.is_some(), segment.is_some()];
    if given.iter().filter(|given| **given).count() <= 1 {
        return Ok(!listed && given.contains(&true));
    }
    let field = match segment {
        Some(_) => "segment_id",
        None => "recipient_list_id",
    };
    Err(ApiError::field(
        field,
        Text::new(
            "give one of recipients, a list and a segment",
            "berikan salah satu dari penerima, daftar, atau segmen",
        ),
    ))
}

pub(super) async fn read_template(caller: &Caller, id: Uuid) -> Result<TemplateDefinition, ApiError> {
    #[derive(Deserialize)]
    struct Row {
        components: Value,
    }
    let row: Option<Row> = caller
        .database()
        .from("broadcast_templates")
        .select("components")
        .eq("id", id)
        .fetch_optional()
        .await?;
    let row = row.ok_or_else(|| {
        ApiError::field(
            "template_id",
            Text::new("there is no such template", "tidak ada template seperti itu"),
        )
    })?;
    TemplateDefinition::parse(&row.components)
        .map_err(|error| ApiError::internal(format!("template {id} cannot be read: {error}")))
}

pub(super) fn checked_recipients(
    inputs: Vec<RecipientInput>,
    template: &TemplateDefinition,
) -> Result<Vec<Recipient>, ApiError> {
    if inputs.is_empty() || inputs.len() > MAX_RECIPIENTS {
        let problem = Text::new(
            "must list 1 to 10,000 recipients",
            "harus berisi 1 sampai 10.000 penerima",
        );
        return Err(ApiError::field("recipients", problem));
    }
    let mut problems = Vec::new();
    let mut recipients = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.into_iter().enumerate() {
        match input.checked() {
            Ok(recipient) => {
                if let Err(found) = template.check(&recipient.variables) {
                    problems.extend(found.iter().map(|problem| variable_problem(index, problem)));
                }
                recipients.push(recipient);
            }
            Err((field, problem)) => problems.push((format!("recipients[{index}].{field}"), problem)),
        }
        if problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    if problems.is_empty() {
        Ok(recipients)
    } else {
        Err(ApiError::fields(problems))
    }
}

fn variable_problem(index: usize, problem: &Problem) -> (String, Text) {
    let variable = &problem.variable;
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
        format!("recipients[{index}].variables.{variable}"),
        Text::new(problem.reason.to_string(), indonesian),
    )
}
