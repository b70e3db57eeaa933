//! A multipart form with one streamed file. Its length is known beforehand, so the file is neither buffered
//! nor sent with chunked encoding.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// A boundary that cannot occur in a header and practically never occurs in a file.
const BOUNDARY: &str = "----whatsapp-crm-5f1a4c2e9b7d40838e6a-boundary";

pub(super) struct Form {
    head: String,
    tail: String,
}

impl Form {
    pub(super) fn new(mime_type: &str, file_name: &str) -> Self {
        let mut head = String::new();
        for (name, value) in [("messaging_product", "whatsapp"), ("type", mime_type)] {
            head.push_str(&format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        head.push_str(&format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\
             Content-Type: {mime_type}\r\n\r\n",
            safe_file_name(file_name)
        ));
        Self {
            head,
            tail: format!("\r\n--{BOUNDARY}--\r\n"),
        }
    }

    pub(super) fn content_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    pub(super) fn length(&self, file: u64) -> u64 {
        self.head.len() as u64 + file + self.tail.len() as u64
    }

    /// Joins the head, the file and the tail into one stream.
    pub(super) fn wrap<E: Send + 'static>(
        self,
        file: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> impl Stream<Item = Result<Bytes, E>> + Send + 'static {
        let piece = |text: String| stream::iter([Ok(Bytes::from(text))]);
        piece(self.head).chain(file).chain(piece(self.tail))
    }
}

/// Replaces characters that would end the quoted file name or the header line.
fn safe_file_name(name: &str) -> String {
    let harmless = |character: char| match character {
        '"' | '\\' => '_',
        character if character.is_control() => '_',
        character => character,
    };
    name.chars().map(harmless).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn the_stated_length_is_the_length_of_the_body() {
        let form = Form::new("image/png", "a \"b\"\r\nX: y.png");
        let length = form.length(3);
        let file = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"png"))]);
        let sent: Vec<Bytes> = form.wrap(file).map(Result::unwrap).collect().await;
        let sent = String::from_utf8(sent.concat()).unwrap();
        assert_eq!(sent.len() as u64, length);
        assert!(
            sent.contains("filename=\"a _b___X: y.png\"\r\nContent-Type: image/png\r\n\r\npng\r\n--"),
            "{sent}"
        );
    }
}
