//! The working copy of a template: the version at Meta with the changes made since.

use serde_json::{Value, json};
use uuid::Uuid;
use whatsapp::template::{Composition, Draft};

use super::input::header_handle;
use super::template::TemplateRow;
use crm_core::error::ApiError;
use crm_core::public_media::public_url;
use crm_core::text::Text;

/// A template that is written and checked.
#[derive(Debug, Clone)]
pub(super) struct WorkingCopy {
    pub(super) name: String,
    pub(super) language: String,
    pub(super) category: String,
    pub(super) composition: Composition,
    pub(super) sample_path: Option<String>,
    pub(super) sample_handle: Option<String>,
    pub(super) business_account_id: Option<String>,
}

impl WorkingCopy {
    /// An empty template.
    pub(super) fn new() -> Self {
        Self {
            name: String::new(),
            language: "id".to_owned(),
            category: "MARKETING".to_owned(),
            composition: Composition::default(),
            sample_path: None,
            sample_handle: None,
            business_account_id: None,
        }
    }

    /// The template of a row, with its changes.
    pub(super) fn of(row: &TemplateRow) -> Self {
        let (category, components, sample_path, sample_handle) = match &row.draft {
            Some(draft) => (
                draft.category.as_ref(),
                &draft.components,
                &draft.sample_path,
                &draft.sample_handle,
            ),
            None => (None, &row.components, &row.sample_path, &row.sample_handle),
        };
        Self {
            name: row.name.clone(),
            language: row.language.clone(),
            category: category.unwrap_or(&row.category).clone(),
            composition: Composition::read(components),
            sample_path: sample_path.clone(),
            sample_handle: sample_handle.clone(),
            business_account_id: row.business_account_id.clone(),
        }
    }

    /// Replaces every part by components in Meta's format.
    pub(super) fn take_components(&mut self, components: &Value) {
        let composition = Composition::read(components);
        if let Some(handle) = header_handle(components) {
            (self.sample_path, self.sample_handle) = (None, Some(handle));
        } else if composition.header.format != self.composition.header.format {
            (self.sample_path, self.sample_handle) = (None, None);
        }
        self.composition = composition;
    }

    /// The draft that checks and preview use.
    pub(super) fn draft(&self) -> Draft<'_> {
        Draft {
            name: &self.name,
            language: &self.language,
            category: &self.category,
            composition: &self.composition,
            has_sample: self.sample_path.is_some() || self.sample_handle.is_some(),
        }
    }

    pub(super) fn components(&self, header_handle: Option<&str>) -> Value {
        self.composition
            .components(self.draft().is_authentication(), header_handle)
    }

    pub(super) fn parameter_format(&self) -> &'static str {
        if !self.draft().is_authentication() && self.composition.is_named() {
            "NAMED"
        } else {
            "POSITIONAL"
        }
    }

    /// The working copy as the database expects it.
    pub(super) fn stored(&self) -> Value {
        json!({
            "name": self.name,
            "language": self.language,
            "category": self.category,
            "parameter_format": self.parameter_format(),
            "components": self.components(None),
            "sample_path": self.sample_path,
            "sample_handle": self.sample_handle,
            "business_account_id": self.business_account_id,
        })
    }

    /// Checks what the table needs. A draft may have other mistakes.
    pub(super) fn check_storable(&self) -> Result<(), ApiError> {
        let no_null = || {
            Text::new(
                "must not contain the character U+0000",
                "tidak boleh berisi karakter U+0000",
            )
        };
        if self.components(None).to_string().contains("\\u0000") {
            return Err(ApiError::field("content", no_null()));
        }
        for (field, value, longest) in [
            ("header.sample_path", &self.sample_path, 1024),
            ("header.sample_handle", &self.sample_handle, 4096),
            ("business_account_id", &self.business_account_id, 32),
        ] {
            let Some(value) = value else { continue };
            if value.contains('\0') {
                return Err(ApiError::field(field, no_null()));
            }
            if value.is_empty() || value.chars().count() > longest {
                return Err(ApiError::field(
                    field,
                    Text::new(
                        format!("must have 1 to {longest} characters"),
                        format!("harus terdiri dari 1 sampai {longest} karakter"),
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The address of the header's sample file.
    pub(super) fn sample_url(&self, supabase_url: &str) -> Option<String> {
        let path = self.sample_path.as_ref()?;
        public_url(supabase_url, path).map(String::from)
    }

    /// Whether the sample file belongs to this tenant.
    pub(super) fn sample_is_of(&self, tenant: Uuid) -> bool {
        let prefix = format!("{tenant}/");
        self.sample_path
            .as_ref()
            .is_none_or(|path| path.starts_with(&prefix))
    }
}
