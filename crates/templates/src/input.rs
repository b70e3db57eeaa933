//! A template as clients write it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use whatsapp::template::{Button, Header, HeaderFormat};

use super::examples::Examples;
use super::working_copy::WorkingCopy;
use crm_core::error::ApiError;
use crm_core::json_body::from_value;
use crm_core::text::Text;

/// The parts of a template. Parts that are left out stay as they are. They are given one by one, or as `components` in
/// the format of Meta's API.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MessageTemplateInput)]
pub(crate) struct TemplateInput {
    /// Lower-case letters, digits and `_`. Spaces become `_`.
    #[schema(example = "order_ready")]
    name: Option<String>,
    /// The code of the language; `id` if left out.
    #[schema(example = "id")]
    language: Option<String>,
    /// `MARKETING`, `UTILITY` or `AUTHENTICATION`; `MARKETING` if left out.
    #[schema(value_type = Option<crm_core::words::TemplateCategory>)]
    category: Option<String>,
    /// Accepted and ignored: it follows from the variables.
    #[expect(dead_code, reason = "clients may send back an answer")]
    parameter_format: Option<String>,
    header: Option<HeaderInput>,
    /// The body, with variables such as `{{1}}` or `{{first_name}}`.
    #[serde(alias = "body")]
    #[schema(example = "Halo {{1}}, pesanan {{2}} sudah siap diambil di toko.")]
    content: Option<String>,
    /// The footer. An empty text removes it.
    footer: Option<String>,
    /// Objects with `type`, `text` and, depending on the type, `url`, `phone_number`, `example`, `otp_type`,
    /// `supported_apps`.
    #[schema(value_type = Option<Vec<Object>>)]
    buttons: Option<Vec<Value>>,
    /// Examples of the body's variables: a list in their order, an object by name, or objects with `name` and
    /// `example`.
    #[schema(value_type = Option<Value>, example = json!(["Rina", "KS-1042"]))]
    variables: Option<Examples>,
    /// Authentication templates: whether the body warns not to share the code.
    add_security_recommendation: Option<bool>,
    /// Authentication templates: the minutes of validity that the footer states. 0: no footer.
    code_expiration_minutes: Option<u32>,
    /// The template in the format of Meta's API, in the place of the parts above.
    #[schema(value_type = Option<Vec<Object>>)]
    components: Option<Value>,
    /// The WhatsApp Business account of the template. It may be left out if only one is connected.
    business_account_id: Option<String>,
}

crm_core::words! {
    /// The format of a header.
    pub(crate) HeaderInputFormat = "none", "text", "image", "video", "gif", "document", "location";
}

/// The header, which stands above the body.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HeaderInput {
    /// `none`, `text`, `image`, `video`, `gif`, `document` or `location`
    #[schema(value_type = HeaderInputFormat)]
    format: HeaderFormat,
    /// The text, with at most one variable.
    #[serde(default)]
    text: String,
    /// The example of the text's variable.
    #[serde(default)]
    example: String,
    /// The path of the sample file in bucket `broadcast-media`, beginning with the tenant's id.
    sample_path: Option<String>,
    /// Meta's handle of an uploaded sample file, in the place of the path.
    sample_handle: Option<String>,
}

impl TemplateInput {
    /// Writes the parts that are present into `copy`.
    pub(super) fn write_over(self, copy: &mut WorkingCopy) -> Result<(), ApiError> {
        if let Some(name) = self.name {
            copy.name = name.trim().replace(' ', "_").to_lowercase();
        }
        if let Some(language) = self.language {
            language.trim().clone_into(&mut copy.language);
        }
        if let Some(category) = self.category {
            copy.category = category.trim().to_uppercase();
        }
        if let Some(account) = self.business_account_id {
            copy.business_account_id = Some(account);
        }
        if let Some(components) = self.components {
            if !components.is_array() {
                return Err(ApiError::field(
                    "components",
                    Text::new("must be a list", "harus berupa daftar"),
                ));
            }
            copy.take_components(&components);
        }
        let composition = &mut copy.composition;
        if let Some(header) = self.header {
            let format = header.format;
            if header.sample_path.is_some() || header.sample_handle.is_some() {
                copy.sample_path = header.sample_path.filter(|path| !path.is_empty());
                copy.sample_handle = header.sample_handle.filter(|handle| !handle.is_empty());
            } else if format != composition.header.format {
                (copy.sample_path, copy.sample_handle) = (None, None);
            }
            composition.header = Header {
                format,
                text: header.text,
                example: header.example,
            };
        }
        if let Some(content) = self.content {
            composition.body = content;
        }
        if let Some(footer) = self.footer {
            composition.footer = footer.trim().to_owned();
        }
        if let Some(buttons) = self.buttons {
            composition.buttons = buttons.iter().map(button).collect();
        }
        if let Some(examples) = self.variables {
            composition.examples = examples.by_name(&composition.body_variables());
        }
        if let Some(warns) = self.add_security_recommendation {
            composition.security_recommendation = warns;
        }
        if let Some(minutes) = self.code_expiration_minutes {
            composition.code_expiration_minutes = Some(minutes).filter(|minutes| *minutes > 0);
        }
        copy.check_storable()
    }
}

/// Splits a body into the template and the other fields of the request, so that a refusal names a wrong field of
/// either.
pub(super) fn take_apart<T: DeserializeOwned>(
    mut body: Map<String, Value>,
    beside: &[&str],
) -> Result<(T, TemplateInput), ApiError> {
    let taken = beside
        .iter()
        .filter_map(|name| body.remove_entry(*name))
        .collect();
    Ok((
        from_value(Value::Object(taken))?,
        from_value(Value::Object(body))?,
    ))
}

/// Reads a button, and accepts common names for its type.
fn button(value: &Value) -> Button {
    let mut button = Button::read(value);
    let kind = match button.kind.as_str() {
        "CALL_PHONE" | "PHONE" => "PHONE_NUMBER",
        "VISIT_WEBSITE" | "WEBSITE" => "URL",
        _ => return with_plain_number(button),
    };
    kind.clone_into(&mut button.kind);
    with_plain_number(button)
}

fn with_plain_number(mut button: Button) -> Button {
    button
        .phone_number
        .retain(|character| !" -().".contains(character));
    button
}

/// A component whose example is an address came from Meta. Only a handle can be submitted.
pub(super) fn header_handle(components: &Value) -> Option<String> {
    let header = components.as_array()?.iter().find(|component| {
        component["type"]
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("HEADER"))
    })?;
    let handle = header["example"]["header_handle"][0].as_str()?;
    (!handle.is_empty() && !handle.starts_with("http")).then(|| handle.to_owned())
}
