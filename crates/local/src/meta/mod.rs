//! The Meta simulator. It offers the Graph endpoints that the product uses, with checks as strict as Meta's,
//! and sends signed webhooks. Tests read its ledger of accepted messages, inject faults and send customers'
//! messages (`/_sim/`).

mod account;
mod control;
mod customer;
mod fault;
mod graph;
mod graph_error;
mod journal;
mod ledger;
mod media;
mod message_rules;
mod messages;
mod numbers;
mod rate;
mod reads;
mod settings;
mod subscriptions;
mod template;
mod template_changes;
mod template_fill;
mod template_rules;
mod template_uploads;
mod templates;
mod tokens;
mod wamid;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use account::Number;
pub use journal::JournalError;
pub use settings::WebhookDelays;
pub use template::Template;

use crate::clock::Clock;
use account::Accounts;
use fault::Faults;
use journal::{Journal, Record};
use ledger::Ledger;
use media::MediaStore;
use reads::Reads;
use settings::Settings;
use tokens::Tokens;
use webhooks::outbox::Outbox;
use webhooks::poster::Poster;

/// The time within which the application must answer a webhook.
const WEBHOOK_TIME_LIMIT: Duration = Duration::from_secs(20);

/// The secrets, numbers and templates of the simulator.
#[derive(Clone, Deserialize)]
pub struct MetaConfig {
    /// The key of the webhook signatures.
    pub app_secret: String,
    /// The token of the webhook verification.
    #[serde(default)]
    pub verify_token: String,
    /// The bearer token that calls must carry.
    pub access_token: String,
    /// The id of the subscribed app.
    #[serde(default)]
    pub app_id: String,
    /// The address of the application's webhook.
    pub webhook_url: String,
    /// The file that keeps windows, numbers and templates across restarts.
    #[serde(default)]
    pub state_file: Option<PathBuf>,
    /// The delays of the status webhooks.
    #[serde(default)]
    pub webhook_delay_ms: WebhookDelays,
    /// The business numbers.
    #[serde(default)]
    pub numbers: Vec<Number>,
    /// The message templates.
    #[serde(default)]
    pub templates: Vec<Template>,
}

/// The reason why the simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The state file is unusable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The HTTP client cannot be built.
    #[error("the webhook client cannot be built: {0}")]
    Client(String),
}

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    tokens: Tokens,
    reads: Reads,
    app_id: String,
    clock: Clock,
    first_settings: Settings,
    settings: watch::Sender<Arc<Settings>>,
    accounts: Arc<Accounts>,
    media: MediaStore,
    uploads: template_uploads::Uploads,
    ledger: Ledger,
    faults: Faults,
    journal: Journal,
    poster: Arc<Poster>,
    outbox: Outbox,
    deliveries: AtomicU64,
}

impl Simulator {
    /// Reads the state file and starts the webhook queue, which stops with `stop`.
    pub fn start(
        config: MetaConfig,
        clock: Clock,
        stop: CancellationToken,
    ) -> Result<Arc<Self>, SimulatorError> {
        let path = config.state_file.as_deref();
        let saved = Journal::read(path)?;
        let accounts = Arc::new(Accounts::default());
        config
            .numbers
            .into_iter()
            .for_each(|number| accounts.put_number(number));
        for template in config.templates {
            accounts.put_template(template);
        }
        let state = SavedState::replay(saved, &accounts, clock.now_ms());
        let journal = Journal::start(path, &state.records)?;
        let first_settings = Settings {
            webhook_delay_ms: config.webhook_delay_ms,
            ..Settings::default()
        };
        let (settings, changes) = watch::channel(Arc::new(first_settings.clone()));
        let poster = Arc::new(Poster {
            client: crate::http_client::build(WEBHOOK_TIME_LIMIT).map_err(SimulatorError::Client)?,
            app_secret: config.app_secret,
            verify_token: config.verify_token,
            webhook_url: config.webhook_url,
            accounts: accounts.clone(),
        });
        let simulator = Arc::new(Self {
            tokens: Tokens::new(config.access_token),
            reads: Reads::default(),
            app_id: config.app_id,
            first_settings,
            settings,
            accounts,
            media: MediaStore::default(),
            uploads: template_uploads::Uploads::default(),
            ledger: Ledger::default(),
            faults: Faults::default(),
            journal,
            outbox: Outbox::start(poster.clone(), changes, clock.clone(), stop),
            poster,
            clock,
            deliveries: AtomicU64::new(0),
        });
        for template in state.under_review {
            templates::review(&simulator, &template);
        }
        Ok(simulator)
    }

    /// The router: Graph endpoints under `/{version}/`, control endpoints under `/_sim/`.
    pub fn router(self: &Arc<Self>) -> axum::Router {
        graph::router(self.clone()).nest("/_sim", control::router(self.clone()))
    }

    fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    fn reset_rates(&self) {
        self.accounts
            .numbers()
            .iter()
            .for_each(|number| number.forget_rates());
    }
}

/// The state of an earlier run.
struct SavedState {
    records: Vec<Record>,
    under_review: Vec<Arc<Template>>,
}

impl SavedState {
    fn replay(saved: Vec<Record>, accounts: &Accounts, now_ms: i64) -> Self {
        let mut numbers = Vec::new();
        let mut created: Vec<Template> = Vec::new();
        let mut removed = Vec::new();
        let mut subscriptions = std::collections::BTreeMap::new();
        let mut windows = std::collections::BTreeMap::new();
        for record in saved {
            match record {
                Record::Number(number) => {
                    accounts.put_number(number.clone());
                    numbers.push(Record::Number(number));
                }
                Record::Template(template) => {
                    accounts.put_template(template.clone());
                    created.retain(|old| old.id != template.id);
                    created.push(template);
                }
                Record::TemplateRemoved {
                    business_account_id,
                    id,
                    name,
                } => {
                    accounts.remove_templates(&business_account_id, &name, Some(&id));
                    created.retain(|old| old.id != id);
                    removed.push(Record::TemplateRemoved {
                        business_account_id,
                        id,
                        name,
                    });
                }
                Record::Subscription(subscription) => {
                    accounts.put_subscription(subscription.clone());
                    subscriptions.insert(subscription.business_account_id.clone(), subscription);
                }
                Record::Window {
                    phone_number_id,
                    contact,
                    opened_at,
                } => {
                    windows.insert((phone_number_id, contact), opened_at);
                }
                Record::WindowClosed {
                    phone_number_id,
                    contact,
                } => {
                    windows.remove(&(phone_number_id, contact));
                }
            }
        }
        windows.retain(|_, opened_at| now_ms - *opened_at < account::WINDOW_MS);
        for ((phone_number_id, contact), opened_at) in &windows {
            if let Some(number) = accounts.number(phone_number_id) {
                number.open_window(contact, *opened_at);
            }
        }
        let pending = created.iter().filter(|template| template.status == "PENDING");
        let under_review = pending
            .filter_map(|template| accounts.template_by_id(&template.id))
            .collect();
        let mut records = numbers;
        records.extend(created.into_iter().map(Record::Template));
        records.extend(removed);
        records.extend(subscriptions.into_values().map(Record::Subscription));
        records.extend(
            windows
                .into_iter()
                .map(|((phone_number_id, contact), opened_at)| Record::Window {
                    phone_number_id,
                    contact,
                    opened_at,
                }),
        );
        Self {
            records,
            under_review,
        }
    }
}
