//! The list of routes, one line each: the path below `/api/`, the router, and its purpose.
//!
//! `npm run routes` writes `api/**.rs`, the binaries of `Cargo.toml`, and the limits and the rewrite of `vercel.json` from
//! this list; `npm test` fails where they differ. A parameter is called `[id]`. Two settings may follow: `allocate_quickly`
//! for a function that is called very often, and `max_duration` in seconds for one that may run longer than others.

use crm_core::contract::Routes;

macro_rules! route_list {
    ($($path:literal => $($part:ident)::+(): $about:literal $(, $setting:ident $(= $value:literal)?)*;)+) => {
        /// The router of each path below `/api/`.
        pub fn routers() -> Vec<(&'static str, Routes)> {
            vec![$(($path, $($part)::+())),+]
        }
    };
}

route_list! {
    "agents" => access::agents::agents(): "the people of the organisation: list and add";
    "agents/[id]" => access::agents::agent(): "one person: show, change and deactivate";
    "agents/invitations" => access::agents::invitations(): "invitations that are open";
    "agents/invitations/[id]" => access::agents::invitation(): "withdraws an invitation";
    "agents/invitations/[id]/resend" => access::agents::resend_invitation(): "mails an invitation again";
    "agents/invitations/accept" => access::agents::accept_invitation(): "an invitation as the invited person reads and accepts it";
    "analytics/csat" => automations::csat(): "the report on customer satisfaction";
    "api-keys" => access::api_keys::api_keys(): "API keys for integrations: list and create";
    "api-keys/[id]" => access::api_keys::api_key(): "one API key: revoke";
    "audit-logs" => access::audit::audit_logs(): "the audit log";
    "auth/leave" => access::tenancy::leave(): "ends the caller's membership";
    "auth/me" => access::tenancy::me(): "the caller, with roles and permissions";
    "automations" => automations::automations(): "settings of the automatic messages";
    "broadcast/campaigns" => broadcasts::campaigns(): "campaigns: list and create", max_duration = 60;
    "broadcast/campaigns/[id]" => broadcasts::campaign(): "one campaign: show, change and delete", max_duration = 60;
    "broadcast/campaigns/[id]/cancel" => broadcasts::cancel(): "cancels a campaign", max_duration = 60;
    "broadcast/campaigns/[id]/check" => broadcasts::check(): "lists the problems that keep a campaign from being sent, with an estimate";
    "broadcast/campaigns/[id]/complete" => broadcasts::complete(): "re-checks a campaign, and completes it if no recipient is pending";
    "broadcast/campaigns/[id]/duplicate" => broadcasts::duplicate(): "copies a campaign", max_duration = 60;
    "broadcast/campaigns/[id]/pause" => broadcasts::pause(): "pauses a campaign";
    "broadcast/campaigns/[id]/recipients" => broadcasts::recipients(): "the recipients of a campaign", max_duration = 300;
    "broadcast/campaigns/[id]/resume" => broadcasts::resume(): "resumes a campaign";
    "broadcast/campaigns/[id]/retry" => broadcasts::retry(): "sends to failed recipients again", max_duration = 60;
    "broadcast/campaigns/[id]/send" => broadcasts::send(): "sends a campaign", max_duration = 60;
    "broadcast/debug/queue" => broadcasts::queue::debug_queue(): "the state of the queue, at its former address";
    "broadcast/debug/scheduled" => broadcasts::queue::scheduled(): "scheduled campaigns that are not due yet";
    "broadcast/prices" => broadcasts::prices(): "prices of messages";
    "broadcast/recipient-lists" => recipient_lists::recipient_lists(): "recipient lists: list and create", max_duration = 60;
    "broadcast/recipient-lists/[id]" => recipient_lists::recipient_list(): "one recipient list: show, change and delete";
    "broadcast/recipient-lists/[id]/entries" => recipient_lists::entries(): "the entries of a recipient list", max_duration = 300;
    "broadcast/recipient-lists/[id]/errors" => recipient_lists::row_errors(): "the rows that were not imported into a recipient list, with the reasons", max_duration = 300;
    "broadcast/recipient-lists/template" => recipient_lists::sample_file(): "the sample file of a recipient list";
    "broadcast/recipient-lists/uploads" => recipient_lists::uploads(): "an address for the upload of a large file";
    "broadcast/scheduler/[id]" => broadcasts::queue::scheduler(): "starts, stops or triggers the scheduler";
    "broadcast/templates" => templates::templates(): "message templates: list and create";
    "broadcast/templates/[id]" => templates::template(): "one message template: show, change and delete";
    "broadcast/templates/[id]/submit" => templates::submit(): "submits a message template to Meta for review", max_duration = 120;
    "broadcast/templates/preview" => templates::preview(): "a preview of a message template, with its problems";
    "broadcast/templates/sync" => templates::sync(): "synchronises message templates from Meta", max_duration = 120;
    "changes" => inbox::changes::router(): "changes that a client missed";
    "conversations" => inbox::conversations(): "the inbox: list of conversations";
    "conversations/[id]" => inbox::conversation(): "one conversation: show and change";
    "conversations/[id]/assign" => inbox::assign(): "assigns a conversation";
    "conversations/[id]/events" => inbox::events(): "the history of a conversation";
    "conversations/[id]/labels" => inbox::labels(): "labels of a conversation";
    "conversations/[id]/messages" => inbox::messages(): "the messages of a conversation: list and send";
    "conversations/[id]/notes" => inbox::notes(): "internal notes of a conversation: list and add";
    "conversations/[id]/read" => inbox::read(): "marks a conversation as read";
    "conversations/[id]/typing" => inbox::typing(): "shows the customer that a reply is being written";
    "conversations/bulk" => inbox::bulk(): "one action on many conversations";
    "conversations/notes/[id]" => inbox::note(): "one internal note: change and delete";
    "crm/contacts" => contacts::contacts(): "contacts: list and create";
    "crm/contacts/[id]" => contacts::contact(): "one contact: show, change and delete";
    "crm/contacts/[id]/block" => contacts::block(): "blocks or unblocks a contact";
    "crm/contacts/[id]/consents" => contacts::consents(): "consent of a contact to marketing";
    "crm/contacts/[id]/data" => contacts::personal_data(): "personal data of a contact: export and erase";
    "crm/contacts/[id]/merge" => contacts::merge(): "merges two contacts";
    "crm/contacts/[id]/notes" => contacts::notes(): "notes about a contact: list and add";
    "crm/contacts/[id]/timeline" => contacts::timeline(): "the timeline of a contact";
    "crm/contacts/bulk" => contacts::bulk(): "one action on many contacts", max_duration = 60;
    "crm/contacts/duplicates" => contacts::duplicates(): "contacts that may be the same person";
    "crm/contacts/export" => contacts::export(): "contacts as a CSV or XLSX file", max_duration = 120;
    "crm/contacts/import" => contacts::import(): "imports contacts from files", max_duration = 60;
    "crm/fields" => contacts::fields(): "custom fields of contacts: list and create";
    "crm/fields/[id]" => contacts::field(): "one custom field: change and delete", max_duration = 60;
    "crm/labels" => inbox::labels::labels(): "labels: list and create";
    "crm/labels/[id]" => inbox::labels::label(): "one label: change and delete";
    "crm/segments" => contacts::segments::segments(): "segments, which are saved filters of contacts: list and create";
    "crm/segments/[id]" => contacts::segments::segment(): "one segment: show, change and delete";
    "crm/segments/preview" => contacts::segments::preview(): "the contacts that a filter selects";
    "cron/housekeeping" => crm::housekeeping::housekeeping(): "the hourly housekeeping", max_duration = 120;
    "cron/imports" => crm::imports(): "continues imports, every minute", max_duration = 60;
    "cron/process-broadcasts" => crm::process_broadcasts(): "sends due messages, every minute", max_duration = 90;
    "cron/replay-webhooks" => webhooks::replay(): "processes stored deliveries again";
    "health" => crm::health::service(): "the health of the service";
    "health/workers" => crm::health::workers(): "the health of the background work";
    "messages/[id]" => inbox::message(): "one message and its history";
    "messages/[id]/forward" => inbox::forward(): "forwards a message to other conversations";
    "messages/[id]/resend" => inbox::resend(): "sends a failed message again";
    "messages/status" => inbox::message_status(): "the statuses of many messages";
    "modules" => access::modules::modules(): "the modules of the product";
    "modules/[id]" => access::modules::module(): "one module: show, switch on and off";
    "not-found" => crm_core::not_found(): "answers 404: `vercel.json` sends paths under `/api` here that no function serves";
    "openapi.json" => crm::openapi(): "the OpenAPI document";
    "queue" => broadcasts::queue::status(): "the state of the queue";
    "queue/retry" => broadcasts::queue::retry(): "queues failed recipients again", max_duration = 60;
    "quick-replies" => inbox::quick_replies::quick_replies(): "quick replies: list and create";
    "quick-replies/[id]" => inbox::quick_replies::quick_reply(): "one quick reply: show, change and delete";
    "quick-replies/[id]/render" => inbox::quick_replies::render(): "a quick reply with its variables filled in for a conversation";
    "rbac/permissions" => access::rbac::permissions(): "the permissions";
    "rbac/roles" => access::rbac::roles(): "roles: list and create";
    "rbac/roles/[id]" => access::rbac::role(): "one role: show, change and delete";
    "rbac/templates" => access::rbac::templates(): "permission templates: list, save and delete";
    "rbac/users/[id]" => access::rbac::user(): "the roles of one person: show and replace";
    "tenant" => access::tenancy::tenant(): "the organisation: create, show and change";
    "whatsapp/media" => media::upload(): "uploads a file to be sent", max_duration = 120;
    "whatsapp/media/[id]" => media::file(): "one file: open and delete";
    "whatsapp/media/published" => media::published::files(): "published files of templates and quick replies: list and publish", max_duration = 120;
    "whatsapp/media/published/[id]" => media::published::file(): "one published file: delete";
    "whatsapp/messages" => inbox::first_message(): "sends a message to a contact or a phone number";
    "whatsapp/sessions" => numbers::sessions(): "the connected numbers: list and connect";
    "whatsapp/sessions/[id]" => numbers::session(): "a connected number: show, change and delete";
    "whatsapp/webhook" => webhooks::webhook(): "receives webhooks from Meta", allocate_quickly;
}
