//! A template message: a template by its name, filled by variables or by Meta's components.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use whatsapp::client::{Content, TemplateComponent};
use whatsapp::template::{TemplateDefinition, Variables};

use super::problem;
use crm_core::caller::Caller;
use crm_core::error::ApiError;
use crm_core::text::Text;

/// An approved template and its values, either as `variables` or as `components` in Meta's shape.
#[derive(Deserialize, ToSchema)]
#[schema(as = TemplateMessage)]
pub(crate) struct TemplateInput {
    #[schema(example = "order_ready")]
    name: String,
    /// `"id"` or `{"code": "id"}`
    #[serde(deserialize_with = "language")]
    #[schema(value_type = String, example = "id")]
    language: String,
    /// A list in the order of header, body and buttons, or an object by name.
    #[schema(value_type = Option<Value>, example = json!(["Rina"]))]
    variables: Option<Variables>,
    /// `[{"type": "body", "parameters": [{"type": "text", "text": "..."}]}]`
    #[schema(value_type = Option<Vec<Object>>)]
    components: Option<Vec<TemplateComponent>>,
}

/// The conversation and the number that the template is sent from.
#[derive(Clone, Copy, Default)]
pub(super) struct TemplatePlace {
    pub(super) conversation: Option<Uuid>,
    pub(super) session: Option<Uuid>,
}

#[derive(Deserialize)]
struct Stored {
    status: String,
    components: Value,
}

fn language<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        deny_unknown_fields,
        expecting = "must be a language such as `id`, or an object with `code`"
    )]
    enum Language {
        Code(String),
        Object { code: String },
    }
    Ok(match Language::deserialize(deserializer)? {
        Language::Code(code) | Language::Object { code } => code,
    })
}

impl TemplateInput {
    /// The message, and its preview in the thread.
    pub(super) async fn content(
        self,
        caller: &Caller,
        place: TemplatePlace,
    ) -> Result<(Content, Option<String>), ApiError> {
        if let Some(components) = &self.components {
            if self.variables.is_some() {
                return Err(ApiError::field(
                    "template.variables",
                    Text::new(
                        "cannot be combined with `components`",
                        "tidak dapat digabung dengan `components`",
                    ),
                ));
            }
            problem::refuse(TemplateComponent::check_all(components))?;
        }
        let stored = self.stored(caller, place).await?;
        let definition = TemplateDefinition::parse(&stored.components)
            .map_err(|error| ApiError::internal(format!("a stored template cannot be read: {error}")))?;

        let (components, preview) = match self.components {
            Some(components) => {
                problem::refuse(definition.check_components(&components))?;
                let values = body_values(&components);
                (json!(components), definition.render_body(&values))
            }
            None => {
                let variables = self.variables.unwrap_or_default();
                definition.check(&variables).map_err(problem::refuse_variables)?;
                let preview = definition.render_body(&variables);
                (definition.components(&variables), preview)
            }
        };
        let content = Content::Template {
            name: self.name,
            language: self.language,
            components,
        };
        problem::refuse(content.check())?;
        Ok((content, Some(preview).filter(|text| !text.is_empty())))
    }

    async fn stored(&self, caller: &Caller, place: TemplatePlace) -> Result<Stored, ApiError> {
        let arguments = json!({
            "name": self.name, "language": self.language,
            "conversation_id": place.conversation, "session_id": place.session,
        });
        let stored: Option<Stored> = caller.database().rpc("sendable_template", &arguments).await?;
        let stored = stored.ok_or_else(|| {
            ApiError::field(
                "template.name",
                Text::new(
                    "there is no such template in this language for this number",
                    "template ini tidak ada dalam bahasa tersebut untuk nomor ini",
                ),
            )
        })?;
        if stored.status != "APPROVED" {
            let problem = Text::new(
                "The template is not approved by Meta; only approved templates can be sent.",
                "Template belum disetujui Meta; hanya template yang disetujui dapat dikirim.",
            );
            return Err(ApiError::new(
                axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                "template_not_approved",
                problem.clone(),
            )
            .with_field("template.name", problem));
        }
        Ok(stored)
    }
}

/// The values of the body for the preview: by name, or by position from 1.
fn body_values(components: &[TemplateComponent]) -> Variables {
    let body = components.iter().find(|component| component.kind == "body");
    let parameters = body.map(|body| body.parameters.as_slice()).unwrap_or_default();
    let named: BTreeMap<String, String> = parameters
        .iter()
        .enumerate()
        .map(|(index, parameter)| {
            let name = parameter.parameter_name.clone();
            let fallback = parameter.currency.as_ref().map(|money| &money.fallback_value);
            let fallback = fallback.or(parameter.date_time.as_ref().map(|time| &time.fallback_value));
            let value = parameter.text.as_ref().or(fallback).cloned().unwrap_or_default();
            (name.unwrap_or_else(|| (index + 1).to_string()), value)
        })
        .collect();
    Variables::Named(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thread_shows_the_filled_body() {
        let definition =
            TemplateDefinition::parse(&json!([{"type": "BODY", "text": "Halo {{1}}, total {{2}}."}]))
                .unwrap();
        let components: Vec<TemplateComponent> = serde_json::from_value(json!([{"type": "body", "parameters": [
            {"type": "text", "text": "Rina"},
            {"type": "currency", "currency": {"fallback_value": "Rp 5.000", "code": "IDR", "amount_1000": 5_000_000}},
        ]}]))
        .unwrap();
        assert_eq!(
            definition.render_body(&body_values(&components)),
            "Halo Rina, total Rp 5.000."
        );
    }

    #[test]
    fn languages_come_in_two_forms() {
        for json in [
            r#"{"name":"a","language":"id"}"#,
            r#"{"name":"a","language":{"code":"id"}}"#,
        ] {
            assert_eq!(
                serde_json::from_str::<TemplateInput>(json).unwrap().language,
                "id"
            );
        }
    }
}
