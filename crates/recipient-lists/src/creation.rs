//! `POST /api/broadcast/recipient-lists`.

use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use super::given_recipient::{self, GivenRecipient};
use super::import::{Inspection, ListImport};
use super::list_source::ContactFilter;
use super::recipient_list::RecipientList;
use super::submission::{NewRecipientList, NewRecipientListForm, OnError, People, Submission};
use crm_core::app::App;
use crm_core::background::Background;
use crm_core::caller::{AllOf, AnyOf, Caller, Permitted};
use crm_core::contract::Routes;
use crm_core::error::ApiError;
use crm_core::json_body::created;
use crm_core::permissions::{ContactsView, RecipientListsCreate, RecipientListsImport};
use crm_core::routes;
use crm_core::text::Text;
use tables::file_import::row_problem::{RowProblem, text_of};
use tables::file_import::{MAX_BODY, NewFile, kept_name};

/// The most problems that one answer names.
const MAX_PROBLEMS: usize = 50;
/// A file with at most so many rows is read before the answer, so that the list can be used at once.
const ROWS_TO_WAIT_FOR: usize = 2000;
/// How long an answer waits for such a file.
const WAITING_TIME: Duration = Duration::from_secs(10);

pub(super) fn router() -> Routes {
    Routes::new()
        .routes(routes!(create_recipient_list))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Create a recipient list.
///
/// People are given one by one, chosen from the contacts, or read from a file. A file with more than 2,000 rows is read
/// after the answer; the list is `importing` until then. `recipient_lists.create` is needed, for files
/// `recipient_lists.import`, and for contacts `contacts.view` as well. A wrong recipient is named like
/// `recipients[3].phone_number`.
#[utoipa::path(
    post, path = "/api/broadcast/recipient-lists", tag = "recipient-lists",
    request_body(content((NewRecipientList = "application/json"), (NewRecipientListForm = "multipart/form-data"))),
    responses(
        (status = 201, body = RecipientList),
        (status = 409, description = "file_in_use"),
        (status = 422, description = "invalid_filter"),
    ),
)]
pub(crate) async fn create_recipient_list(
    permitted: Permitted<AnyOf<(RecipientListsCreate, RecipientListsImport)>>,
    State(app): State<App>,
    background: Background,
    submission: Submission,
) -> Result<(StatusCode, Json<RecipientList>), ApiError> {
    let caller = permitted.caller;
    let Submission {
        name,
        people,
        on_error,
        country,
    } = submission;
    let list = match people {
        People::Given(recipients) => {
            let on_error = on_error.unwrap_or(OnError::Refuse);
            from_recipients(&caller, &name, recipients, on_error, &country).await?
        }
        People::Contacts(filter) => from_contacts(&caller, &name, filter).await?,
        People::File { bytes, file_name } => {
            caller.require::<RecipientListsImport>()?;
            let file = NewFile::in_request(&caller, bytes);
            let import = NewImport {
                name,
                file,
                file_name,
                on_error,
                country,
            };
            import.begin(&caller, &app, &background).await?
        }
        People::Uploaded { path, file_name } => {
            caller.require::<RecipientListsImport>()?;
            let file = NewFile::uploaded(&app, &caller, path).await?;
            let import = NewImport {
                name,
                file,
                file_name,
                on_error,
                country,
            };
            import.begin(&caller, &app, &background).await?
        }
    };
    Ok(created(list))
}

async fn from_recipients(
    caller: &Caller,
    name: &str,
    recipients: Vec<GivenRecipient>,
    on_error: OnError,
    country: &str,
) -> Result<RecipientList, ApiError> {
    caller.require::<RecipientListsCreate>()?;
    let checked = given_recipient::check(recipients, country)?;
    if on_error == OnError::Refuse && !checked.problems.is_empty() {
        let fields = checked.problems.iter().take(MAX_PROBLEMS).map(refused).collect();
        return Err(ApiError::fields(fields));
    }
    let arguments = json!({
        "name": name, "columns": checked.columns, "entries": checked.entries, "errors": checked.problems,
        "on_error": on_error,
    });
    caller.database().rpc("create_recipient_list", &arguments).await
}

fn refused(problem: &RowProblem) -> (String, Text) {
    let field = format!("recipients[{}].{}", problem.line - 1, problem.field);
    (field, text_of(problem.code, None))
}

async fn from_contacts(
    caller: &Caller,
    name: &str,
    filter: ContactFilter,
) -> Result<RecipientList, ApiError> {
    caller.require::<AllOf<(RecipientListsCreate, ContactsView)>>()?;
    let arguments = json!({ "name": name, "filter": filter.checked()? });
    caller
        .database()
        .rpc("create_recipient_list_from_contacts", &arguments)
        .await
}

struct NewImport {
    name: String,
    file: NewFile,
    file_name: String,
    on_error: Option<OnError>,
    country: String,
}

impl NewImport {
    async fn begin(
        self,
        caller: &Caller,
        app: &App,
        background: &Background,
    ) -> Result<RecipientList, ApiError> {
        let found = Inspection::of(&self.file, self.country.clone()).await?;
        self.file.store(app).await?;
        let arguments = json!({
            "name": self.name, "file_path": self.file.path(), "file_name": kept_name(&self.file_name),
            "columns": found.columns, "total_rows": found.total_rows,
            "on_error": self.on_error.unwrap_or(OnError::Keep), "country": self.country,
        });
        let list: RecipientList = caller
            .database()
            .rpc("begin_recipient_import", &arguments)
            .await?;
        let id = list.id();
        let ended = self.file.read_behind_answer::<ListImport>(app, background, id);
        if found.total_rows > ROWS_TO_WAIT_FOR {
            return Ok(list);
        }
        drop(timeout(WAITING_TIME, ended).await);
        // A person who may create lists may lack the permission to see them: then the answer is the list as it began.
        let arguments = json!({ "list_id": id });
        let now = caller.database().rpc("get_recipient_list", &arguments).await;
        Ok(now.ok().flatten().unwrap_or(list))
    }
}
