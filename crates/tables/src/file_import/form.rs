//! A form with a file, sent as `multipart/form-data`.

use std::collections::BTreeMap;

use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use bytes::Bytes;

use crm_core::error::ApiError;
use crm_core::text::Text;

/// A form as it was sent.
#[derive(Default)]
pub struct Form {
    /// The field `file`.
    pub file: Option<FormFile>,
    texts: BTreeMap<String, String>,
}

/// A file with its name.
pub struct FormFile {
    /// The content.
    pub bytes: Bytes,
    /// The name; may be empty.
    pub name: String,
}

impl Form {
    /// Whether the body of a request is a form.
    pub fn is_sent_by(request: &Request) -> bool {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        content_type
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data"))
    }

    /// Reads the file and the text fields in `names`. Other fields are ignored.
    pub async fn read(request: Request, names: &[&str]) -> Result<Self, ApiError> {
        let fields = Multipart::from_request(request, &()).await;
        let mut fields = fields.map_err(|_| unreadable(StatusCode::BAD_REQUEST))?;
        let mut form = Self::default();
        while let Some(field) = fields.next_field().await.map_err(|error| broken(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" {
                let name = field.file_name().unwrap_or_default().to_owned();
                let bytes = field.bytes().await.map_err(|error| broken(&error))?;
                form.file = Some(FormFile { bytes, name });
            } else if names.contains(&name.as_str()) {
                let text = field.text().await.map_err(|error| broken(&error))?;
                form.texts.insert(name, text);
            }
        }
        Ok(form)
    }

    /// Takes a text field, if the form has it.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.texts.remove(name)
    }
}

fn broken(error: &MultipartError) -> ApiError {
    unreadable(error.status())
}

fn unreadable(status: StatusCode) -> ApiError {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::too_large();
    }
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "unreadable_body",
        Text::new("The form cannot be read.", "Formulir tidak dapat dibaca."),
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(content_type: &str, body: &'static str) -> Request {
        let request = Request::builder().header(header::CONTENT_TYPE, content_type);
        request.body(Body::from(body)).unwrap()
    }

    #[tokio::test]
    async fn a_form_has_a_file_and_the_requested_texts() {
        let body = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nnomor\r\n\
            --x\r\ncontent-disposition: form-data; name=\"country\"\r\n\r\nMY\r\n\
            --x\r\ncontent-disposition: form-data; name=\"other\"\r\n\r\n1\r\n--x--\r\n";
        let sent = request("Multipart/Form-Data; boundary=x", body);
        assert!(Form::is_sent_by(&sent));
        let mut form = Form::read(sent, &["country"]).await.unwrap();
        assert_eq!(form.take("country").as_deref(), Some("MY"));
        assert_eq!((form.take("country"), form.take("other")), (None, None));
        let file = form.file.unwrap();
        assert_eq!((&*file.bytes, &*file.name), (&b"nomor"[..], "a.csv"));
    }

    #[tokio::test]
    async fn a_form_that_is_cut_off_is_refused() {
        let sent = request("multipart/form-data; boundary=x", "--x\r\ncontent-dis");
        let refused = Form::read(sent, &[]).await.err().unwrap();
        assert_eq!(refused.code(), "unreadable_body");
        assert!(!Form::is_sent_by(&request("application/json", "{}")));
    }
}
