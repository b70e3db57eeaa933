//! The database with the rights of one caller, which are never out of date.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use supabase::{Database, DatabaseError, Query};

use super::Caller;
use crate::error::ApiError;

const ACCESS_VERSION: HeaderName = HeaderName::from_static("x-access-version");

/// The database with the rights of a caller.
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

    /// Sets a longer time limit, for a call that works on very many rows. The limit of the function in `vercel.json`
    /// must be longer still.
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Calls a function. If the caller's access has changed since it was read, the database does nothing and says so.
    /// The access is then read and checked again, and the call is repeated.
    pub async fn rpc<T: DeserializeOwned>(
        &self,
        function: &'static str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Result<T, ApiError> {
        match self.as_caller().rpc(function, arguments).await {
            Err(DatabaseError::Refused { code, .. }) if code == "access_changed" => {
                let access = self.caller.renewed_access().await?;
                (self.caller.check)(&access)?;
                Ok(self.as_caller().rpc(function, arguments).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Reads a table under the caller's policies.
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
