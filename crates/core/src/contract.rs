//! The contract of an operation: who may call it and what it refuses, as the arguments of its handler state.
//!
//! A handler cannot run without its arguments, so the document and the code always agree.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{HeaderMap, Method};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Paths;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::background::Background;
use crate::caller::Needed;

/// Routes with the descriptions of their operations.
pub type Routes = OpenApiRouter<App>;

/// The extension that holds the contract of an operation until the document is completed.
pub const EXTENSION: &str = "x-contract";

/// The extension that marks an operation as repeatable until the document is completed.
pub const REPEATABLE: &str = "x-repeatable";

/// An answer that arguments of a handler can give instead of the handler.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The name of the answer in the document.
    pub name: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// When the answer is given.
    pub description: &'static str,
    /// The codes that the answer can have.
    pub codes: &'static [&'static str],
}

macro_rules! refusals {
    ($($constant:ident = $name:literal $status:literal $description:literal $codes:expr;)+) => {
        $(
            #[doc = $description]
            pub static $constant: Refusal =
                Refusal { name: $name, status: $status, description: $description, codes: &$codes };
        )+
        /// Every refusal.
        pub static REFUSALS: &[&Refusal] = &[$(&$constant),+];
    };
}

refusals! {
    UNREADABLE_BODY = "UnreadableBody" 400 "The body cannot be read." ["invalid_json", "unreadable_body"];
    NOT_SIGNED_IN = "NotSignedIn" 401 "The request has no valid access token." ["unauthorized"];
    UNAUTHORIZED = "Unauthorized" 401 "The request has no valid access token or API key."
        ["unauthorized", "unknown_api_key", "api_key_expired", "api_key_revoked"];
    NO_TENANT = "NoTenant" 403 "The caller belongs to no organisation." ["no_tenant"];
    FORBIDDEN = "Forbidden" 403 "The caller may not do this." ["forbidden", "module_disabled", "no_tenant"];
    NOT_FOUND = "NotFound" 404 "It does not exist, or the caller may not see it." ["not_found"];
    ACCESS_CHANGED = "AccessChanged" 409 "The request conflicts with a change that was made meanwhile."
        ["access_changed"];
    CONFLICT = "Conflict" 409 "The request conflicts with what is stored." ["access_changed", "conflict"];
    TOO_LARGE = "PayloadTooLarge" 413 "The body is larger than this operation reads." ["payload_too_large"];
    NOT_JSON = "UnsupportedMediaType" 415 "The body has a content type that this operation does not read."
        ["unsupported_media_type"];
    INVALID = "Invalid" 422 "A field is missing or wrong; `fields` names it." ["invalid_field"];
    TOO_MANY = "TooManyRequests" 429 "This address asks too often; `Retry-After` says when to ask again."
        ["too_many_requests"];
    INTERNAL = "Internal" 500 "The service failed. The failure was logged." ["internal"];
    UNAVAILABLE = "Unavailable" 503 "A service behind this one does not answer; nothing was done." ["unavailable"];
}

/// Who may call an operation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// The arguments do not say; the annotation of the handler must.
    #[default]
    Unstated,
    /// Everybody may call it, without credentials.
    Public,
    /// A caller that knows the secret of the scheduler.
    Cron,
    /// Everybody with an account, with or without an organisation.
    Account,
    /// Every member of an organisation.
    Member,
    /// Members who meet this requirement.
    Permission(Needed),
}

/// The contract that the arguments of a handler state.
#[derive(Debug, Default)]
pub struct Contract {
    /// Who may call the operation.
    pub access: Access,
    /// The refusals of the operation.
    pub refusals: BTreeSet<&'static Refusal>,
    /// Whether the operation reads query parameters. It refuses them otherwise.
    pub reads_query: bool,
    /// Whether the operation reads the body. It refuses a body with content otherwise.
    pub reads_body: bool,
}

impl Contract {
    /// Adds refusals.
    pub fn refuses(&mut self, refusals: &[&'static Refusal]) {
        self.refusals.extend(refusals);
    }

    fn to_json(&self) -> serde_json::Value {
        let (access, permission) = match &self.access {
            Access::Unstated => ("unstated", None),
            Access::Public => ("public", None),
            Access::Cron => ("cron", None),
            Access::Account => ("account", None),
            Access::Member => ("member", None),
            Access::Permission(needed) => ("permission", Some(needed)),
        };
        let refusals: Vec<&str> = self.refusals.iter().map(|refusal| refusal.name).collect();
        serde_json::json!({
            "access": access,
            "permission": permission.map(Needed::to_json),
            "in_words": permission.map(Needed::in_words),
            "refusals": refusals,
        })
    }
}

/// An argument of a handler.
pub trait Argument {
    /// Adds what the argument states to the contract.
    fn state(contract: &mut Contract);
}

impl<T> Argument for State<T> {
    fn state(_: &mut Contract) {}
}

impl<T> Argument for Extension<T> {
    fn state(_: &mut Contract) {}
}

macro_rules! silent {
    ($($argument:ty),+) => {
        $(impl Argument for $argument {
            fn state(_: &mut Contract) {}
        })+
    };
}
silent!(HeaderMap, Background);

macro_rules! whole_body {
    ($($argument:ty),+) => {
        $(impl Argument for $argument {
            fn state(contract: &mut Contract) {
                contract.reads_body = true;
            }
        })+
    };
}
whole_body!(Request, Result<Bytes, BytesRejection>);

impl Argument for Path<String> {
    fn state(contract: &mut Contract) {
        contract.refuses(&[&NOT_FOUND]);
    }
}

/// A handler whose arguments state its contract.
pub trait Described<Arguments> {
    /// The contract that the arguments state together.
    fn contract() -> Contract;
}

macro_rules! described {
    ($($argument:ident)*) => {
        impl<Handler, Answer, $($argument),*> Described<($($argument,)*)> for Handler
        where
            Handler: Fn($($argument),*) -> Answer,
            $($argument: Argument),*
        {
            fn contract() -> Contract {
                let mut contract = Contract::default();
                contract.refuses(&[&INTERNAL]);
                $($argument::state(&mut contract);)*
                if !contract.reads_query || !contract.reads_body {
                    contract.refuses(&[&INVALID]);
                }
                contract
            }
        }
    };
}
described! {}
described! { A }
described! { A B }
described! { A B C }
described! { A B C D }
described! { A B C D E }
described! { A B C D E F }

/// How the requests of a path are read. [`routes!`](crate::routes) has it applied before the handlers run.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The methods whose operations read no query parameters.
    pub no_query: Vec<Method>,
    /// The methods whose operations read no body.
    pub no_body: Vec<Method>,
    /// Whether the POST operation can be repeated with an `Idempotency-Key`, and does not read the key itself.
    pub repeatable: bool,
}

/// Writes the contract of `handler` into its operation. [`routes!`](crate::routes) calls it.
#[doc(hidden)]
pub fn state_contract<Arguments, Handler: Described<Arguments>>(
    paths: &mut Paths,
    reading: &mut Reading,
    operation_id: &str,
    _handler: &Handler,
) {
    let contract = Handler::contract();
    let stated = contract.to_json();
    let operations = paths.paths.values_mut().flat_map(|item| {
        [
            (Method::GET, &mut item.get),
            (Method::POST, &mut item.post),
            (Method::PUT, &mut item.put),
            (Method::PATCH, &mut item.patch),
            (Method::DELETE, &mut item.delete),
        ]
    });
    for (method, operation) in operations {
        let Some(operation) = operation else { continue };
        if operation.operation_id.as_deref() != Some(operation_id) {
            continue;
        }
        let extensions = operation.extensions.get_or_insert_default();
        extensions.insert(EXTENSION.to_owned(), stated.clone());
        // Meta, monitors and browsers call open operations, and may add parameters that we do not know.
        let is_open = matches!(contract.access, Access::Unstated | Access::Public);
        if !contract.reads_query && !is_open {
            reading.no_query.push(method.clone());
        }
        if !contract.reads_body {
            reading.no_body.push(method.clone());
        }
        let reads_key = operation
            .parameters
            .iter()
            .flatten()
            .any(|parameter| matches!(parameter, RefOr::T(known) if known.name == "Idempotency-Key"));
        let known_caller = matches!(contract.access, Access::Member | Access::Permission(_));
        if method == Method::POST && known_caller && !reads_key {
            reading.repeatable = true;
            let extensions = operation.extensions.get_or_insert_default();
            extensions.insert(REPEATABLE.to_owned(), true.into());
        }
    }
}

/// The handlers of one path, with their descriptions and contracts, for `OpenApiRouter::routes`.
#[macro_export]
macro_rules! routes {
    ($($handler:ident),+ $(,)?) => {{
        let (schemas, mut paths, methods) = $crate::utoipa_axum::routes!($($handler),+);
        let mut reading = $crate::contract::Reading::default();
        $($crate::contract::state_contract(&mut paths, &mut reading, stringify!($handler), &$handler);)+
        (schemas, paths, $crate::reading::apply(methods, reading))
    }};
}
