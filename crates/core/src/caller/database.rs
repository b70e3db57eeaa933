//! The database as one caller sees it, with rights that cannot be out of date.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use supabase::{Database, DatabaseError, Query};

use super::Caller;
use crate::error::ApiError;

const ACCESS_VERSION: HeaderName = HeaderName::from_static("x-access-version");

/// The database in a caller's name.
pub struct CallerDatabase<'a> {
    caller: &'a Caller,
    time_limit: Option<Duration>,
}

impl<'a> CallerDatabase<'a> {
    pub(super) fn new(caller: &'a Caller) -> Self {
        Self {
            caller,
            time_limit: None,
        }
    }

    /// For a call that works on very many rows. The function's limit in `vercel.json` must be longer.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Calls a function. Rights that changed since they were read are read again, and asked again for what the
    /// handler needs, before the call is repeated: the database did nothing the first time.
    pub async fn rpc<T: DeserializeOwned>(
        &self,
        function: &'static str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<T, ApiError> {
        match self.as_caller().rpc(function, arguments).await {
            Err(DatabaseError::Refused { code, .. }) if code == "access_changed" => {
                let access = self.caller.renewed_access().await?;
                (self.caller.verdict)(&access).permit()?;
                Ok(self.as_caller().rpc(function, arguments).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// A read of a table, under the caller's policies.
    pub fn from(&self, table: &'static str) -> Query<'a> {
        let database = self.caller.credential.database(&self.caller.app);
        self.caller.trace.mark(database).from(table)
    }

    fn as_caller(&self) -> Database<'a> {
        let version = self.caller.version.load(Ordering::Relaxed);
        let mut database = self.caller.credential.database(&self.caller.app);
        if let Some(limit) = self.time_limit {
            database = database.with_time_limit(limit);
        }
        self.caller
            .trace
            .mark(database)
            .with_header(ACCESS_VERSION, HeaderValue::from(version))
    }
}
