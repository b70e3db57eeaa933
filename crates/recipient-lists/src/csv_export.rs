//! Downloads of any length, page by page.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crm_core::caller::Caller;
use crm_core::error::ApiError;
use tables::csv_table;

const PAGE: u32 = 1000;

/// A function of the database that lists lines of a list.
pub(super) struct Lines {
    pub(super) caller: Caller,
    pub(super) function: &'static str,
    pub(super) list: Uuid,
    /// Further arguments of the function.
    pub(super) arguments: Value,
}

/// One page as the database answers it.
pub(super) trait LinePage: DeserializeOwned + Send + 'static {
    /// The arguments that ask for what is behind this page; nothing when it is empty.
    fn behind(&self) -> Option<Value>;
}

impl Lines {
    /// A page; of those behind another one, if it is named. 404 without the list.
    pub(super) async fn page<P: LinePage>(
        &self,
        page: u32,
        limit: u32,
        behind: Option<Value>,
    ) -> Result<P, ApiError> {
        let mut arguments = json!({ "list_id": self.list, "page": page, "page_size": limit });
        for further in [&self.arguments, &behind.unwrap_or_default()] {
            for (name, value) in further.as_object().into_iter().flatten() {
                arguments[name] = value.clone();
            }
        }
        let page: Option<P> = self.caller.database().rpc(self.function, &arguments).await?;
        page.ok_or_else(ApiError::not_found)
    }

    /// Every line as CSV. The first page is read before the answer begins, so that what is wrong is told as an error.
    pub(super) async fn export<P: LinePage>(
        self,
        file_name: &str,
        head: impl FnOnce(&P) -> String,
        table_of: impl Fn(&P) -> String + Send + 'static,
    ) -> Result<Response, ApiError> {
        let first: P = self.page(1, PAGE, None).await?;
        let head = Bytes::from(format!("{}{}", csv_table::MARK, head(&first)));
        let rest = stream::unfold(Some((self, first, table_of)), |state| async move {
            let (lines, page, table_of) = state?;
            let behind = page.behind()?;
            let table = Ok::<_, std::io::Error>(Bytes::from(table_of(&page)));
            match lines.page(1, PAGE, Some(behind)).await {
                Ok(next) => Some((table, Some((lines, next, table_of)))),
                Err(error) => {
                    log::error!("the export of list {} breaks off: {}", lines.list, error.code());
                    // A shortened file must not look like a whole one.
                    Some((Err(std::io::Error::other("the export broke off")), None))
                }
            }
        });
        let body = Body::from_stream(stream::once(async move { Ok(head) }).chain(rest));
        Ok((csv_table::headers(file_name), body).into_response())
    }
}
