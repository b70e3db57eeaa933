//! `GET /api/broadcast/campaigns/{id}/check`: problems, cost and duration of a campaign.

use std::collections::BTreeMap;

use axum::Json;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crm_core::caller::Permitted;
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::path_id::PathId;
use crm_core::permissions::BroadcastsView;
use crm_core::routes;
use crm_core::text::{Language, Text};

/// The problems of a campaign, and its estimated cost and duration.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CampaignCheck {
    /// Whether no problem is an `error`.
    sendable: bool,
    problems: Vec<CheckProblem>,
    estimate: Estimate,
}

crm_core::words! {
    /// How serious a problem is.
    pub(crate) CheckSeverity = "error", "warning";
}

/// A problem of a campaign.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CheckProblem {
    #[schema(example = "opted_out")]
    code: String,
    /// `error`: the campaign cannot be sent, or every message would fail. `warning`: the problem concerns some
    /// recipients, or the time.
    #[schema(value_type = CheckSeverity)]
    severity: String,
    /// The number of recipients that it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    count: Option<u64>,
    /// The value that is wrong, as Meta or the settings name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<String>,
    /// The problem in English.
    #[serde(default)]
    #[schema(required, example = "3 recipients have opted out of marketing.")]
    message: String,
    /// The problem in Indonesian.
    #[serde(default)]
    #[schema(required, example = "3 penerima tidak ingin menerima pesan pemasaran.")]
    message_id: String,
}

/// The estimated cost and duration of a campaign.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = CampaignEstimate)]
pub(crate) struct Estimate {
    /// The number of recipients that will get it.
    recipients: u64,
    /// The number of recipients that have opted out or are blocked.
    skipped: u64,
    messages_per_second: u32,
    /// The duration of sending, without waiting for quiet hours or limits.
    seconds: f64,
    begins_at: DateTime<Utc>,
    /// The expected end, with quiet hours, Meta's limit and the number's other work included.
    finishes_at: DateTime<Utc>,
    /// The number of recipients beyond Meta's limit of customers in 24 hours. They follow automatically.
    over_limit: u64,
    /// The number of further customers that Meta allows now. Null when no limit is known.
    remaining_limit: Option<u64>,
    #[schema(value_type = crm_core::words::TemplateCategory)]
    category: String,
    /// The cost by currency, of the recipients whose price is known.
    #[schema(example = json!({"USD": "41.10"}))]
    cost: BTreeMap<String, String>,
    cost_complete: bool,
    countries: Vec<CountryCost>,
}

/// The cost of the recipients in one country.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct CountryCost {
    /// The country; `?` if the phone number does not show it.
    #[schema(example = "ID")]
    country: String,
    recipients: u64,
    #[schema(example = "0.0411")]
    price: Option<String>,
    #[schema(example = "USD")]
    currency: Option<String>,
    /// The first day of the price.
    price_from: Option<NaiveDate>,
    /// `own`: entered by the tenant; `listed`: from the copy of Meta's rate card that comes with the product.
    #[serde(default)]
    #[schema(value_type = Option<super::prices::PriceSource>)]
    price_source: Option<String>,
    #[schema(example = "41.10")]
    cost: Option<String>,
}

/// `/api/broadcast/campaigns/{id}/check`.
pub fn router() -> Routes {
    Routes::new().routes(routes!(check_campaign))
}

/// Check a campaign before it is sent.
///
/// The answer lists every problem and estimates cost and duration. Prices come from `GET /api/broadcast/prices`: the
/// organisation's own prices go before the listed ones.
#[utoipa::path(
    get, path = "/api/broadcast/campaigns/{id}/check", tag = "broadcasts",
    params(("id" = uuid::Uuid, Path, description = "The id of the campaign")),
    responses((status = 200, body = CampaignCheck)),
)]
pub(crate) async fn check_campaign(
    permitted: Permitted<BroadcastsView>,
    PathId(id): PathId,
) -> Result<Json<CampaignCheck>, ApiError> {
    let arguments = json!({ "campaign_id": id });
    let check: Option<CampaignCheck> = permitted
        .caller
        .database()
        .rpc("check_campaign", &arguments)
        .await?;
    let mut check = check.ok_or_else(ApiError::not_found)?;
    for problem in &mut check.problems {
        let text = sentence(
            &problem.code,
            problem.count.unwrap_or_default(),
            problem.value.as_deref(),
        );
        problem.message = text.in_language(Language::English).to_owned();
        problem.message_id = text.in_language(Language::Indonesian).to_owned();
    }
    Ok(Json(check))
}

fn sentence(code: &str, count: u64, value: Option<&str>) -> Text {
    let value = value.unwrap_or_default();
    match code {
        "no_recipients" => Text::new(
            "The campaign has no recipients.",
            "Kampanye ini tidak punya penerima.",
        ),
        "template_not_approved" => Text::new(
            format!("The template is {value}: Meta sends approved templates only."),
            format!("Template berstatus {value}: Meta hanya mengirim template yang disetujui."),
        ),
        "template_unsupported" => Text::new(
            format!("A campaign cannot send this template: {value}."),
            format!("Kampanye tidak dapat mengirim template ini: {value}."),
        ),
        "template_category" => Text::new(
            "Authentication templates are for single codes, not for campaigns.",
            "Template autentikasi untuk kode satuan, bukan untuk kampanye.",
        ),
        "number_unavailable" => Text::new(
            format!("The number cannot send at the moment: {value}."),
            format!("Nomor sedang tidak dapat mengirim: {value}."),
        ),
        "number_quality" => Text::new(
            "The quality of the number is low: a campaign may cost it more.",
            "Kualitas nomor rendah: kampanye dapat memperburuknya.",
        ),
        "missing_variables" => Text::new(
            format!("{count} recipients lack values that the template needs."),
            format!("{count} penerima tidak memiliki nilai yang dibutuhkan template."),
        ),
        "invalid_variables" => Text::new(
            format!(
                "{count} recipients have values that WhatsApp refuses: line breaks, tabs, more than 4 spaces in a row, \
                 too long a text, or no address of a file."
            ),
            format!(
                "{count} penerima memiliki nilai yang ditolak WhatsApp: ganti baris, tab, lebih dari 4 spasi \
                 berturut-turut, teks terlalu panjang, atau bukan alamat berkas."
            ),
        ),
        "blocked" => Text::new(
            format!("{count} recipients are blocked or deleted contacts and will be skipped."),
            format!("{count} penerima adalah kontak yang diblokir atau dihapus dan akan dilewati."),
        ),
        "opted_out" => Text::new(
            format!("{count} recipients have opted out of marketing and will be skipped."),
            format!("{count} penerima menolak pesan pemasaran dan akan dilewati."),
        ),
        "scheduler_stopped" => Text::new(
            "The scheduler is stopped: scheduled campaigns do not start.",
            "Penjadwal dihentikan: kampanye terjadwal tidak dimulai.",
        ),
        "messaging_limit" => Text::new(
            format!("{count} recipients are beyond Meta's limit in 24 hours ({value}); they follow later."),
            format!("{count} penerima melebihi batas Meta dalam 24 jam ({value}); mereka menyusul kemudian."),
        ),
        "price_unknown" => Text::new(
            format!("No price is entered for {count} recipients."),
            format!("Belum ada harga untuk {count} penerima."),
        ),
        other => Text::new(other.to_owned(), other.to_owned()),
    }
}
