//! Every route of the product, a line each: the path below `/api/`, the router, and what it is for.
//!
//! `npm run routes` writes `api/**.rs`, the binaries of `Cargo.toml`, and the limits and the rewrite of `vercel.json` from
//! this list; `npm test` fails where they differ. A parameter is called `[id]`. Two settings may follow: `allocate_quickly`
//! for a function that is asked very often, and `max_duration` in seconds for one that may take longer than others.

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
    "agents" => access::agents::agents(): "people of the tenant";
    "agents/[id]" => access::agents::agent(): "one person of the tenant";
    "analytics/csat" => automations::csat(): "how satisfied customers were";
    "api-keys" => access::api_keys::api_keys(): "keys for integrations";
    "api-keys/[id]" => access::api_keys::api_key(): "one key";
    "audit-logs" => access::audit::audit_logs(): "who did what";
    "auth/me" => access::tenancy::me(): "who the caller is";
    "automations" => automations::automations(): "business hours, and what is said by itself";
    "broadcast/campaigns" => broadcasts::campaigns(): "campaigns: list and create", max_duration = 60;
    "broadcast/campaigns/[id]" => broadcasts::campaign(): "one campaign", max_duration = 60;
    "broadcast/campaigns/[id]/cancel" => broadcasts::cancel(): "ends a campaign before its time", max_duration = 60;
    "broadcast/campaigns/[id]/check" => broadcasts::check(): "what stands in a campaign's way";
    "broadcast/campaigns/[id]/complete" => broadcasts::complete(): "has a campaign looked at";
    "broadcast/campaigns/[id]/duplicate" => broadcasts::duplicate(): "copies a campaign", max_duration = 60;
    "broadcast/campaigns/[id]/pause" => broadcasts::pause(): "pauses a campaign";
    "broadcast/campaigns/[id]/recipients" => broadcasts::recipients(): "the recipients of a campaign", max_duration = 300;
    "broadcast/campaigns/[id]/resume" => broadcasts::resume(): "goes on with a campaign";
    "broadcast/campaigns/[id]/retry" => broadcasts::retry(): "tries failed recipients again", max_duration = 60;
    "broadcast/campaigns/[id]/send" => broadcasts::send(): "sends a campaign", max_duration = 60;
    "broadcast/debug/queue" => broadcasts::queue::debug_queue(): "the queue, under its former name";
    "broadcast/debug/scheduled" => broadcasts::queue::scheduled(): "campaigns that wait for their time";
    "broadcast/prices" => broadcasts::prices(): "what Meta asks for a message";
    "broadcast/recipient-lists" => recipient_lists::recipient_lists(): "lists of people that campaigns are sent to", max_duration = 60;
    "broadcast/recipient-lists/[id]" => recipient_lists::recipient_list(): "one list";
    "broadcast/recipient-lists/[id]/entries" => recipient_lists::entries(): "who is on a list", max_duration = 300;
    "broadcast/recipient-lists/[id]/errors" => recipient_lists::row_errors(): "what is not on a list, and why", max_duration = 300;
    "broadcast/recipient-lists/template" => recipient_lists::template(): "a table to fill in";
    "broadcast/recipient-lists/uploads" => recipient_lists::uploads(): "where a large file can be put";
    "broadcast/scheduler/[id]" => broadcasts::queue::scheduler(): "starts, stops or triggers the scheduler";
    "broadcast/templates" => templates::templates(): "message templates: list and create";
    "broadcast/templates/[id]" => templates::template(): "one message template: show, change and delete";
    "broadcast/templates/[id]/submit" => templates::submit(): "has Meta review a message template", max_duration = 120;
    "broadcast/templates/preview" => templates::preview(): "what a message template looks like, and what is wrong with it";
    "broadcast/templates/sync" => templates::sync(): "reads message templates from Meta", max_duration = 120;
    "changes" => inbox::changes::router(): "what a client missed";
    "conversations" => inbox::conversations(): "the inbox";
    "conversations/[id]" => inbox::conversation(): "one conversation";
    "conversations/[id]/assign" => inbox::assign(): "who answers";
    "conversations/[id]/events" => inbox::events(): "the history of a conversation";
    "conversations/[id]/labels" => inbox::labels(): "labels of a conversation";
    "conversations/[id]/messages" => inbox::messages(): "the messages of a conversation: list and send";
    "conversations/[id]/notes" => inbox::notes(): "internal notes";
    "conversations/[id]/read" => inbox::read(): "mark a conversation as read";
    "conversations/[id]/typing" => inbox::typing(): "show that somebody is typing";
    "conversations/bulk" => inbox::bulk(): "one action on many conversations";
    "conversations/notes/[id]" => inbox::note(): "one internal note";
    "crm/contacts" => contacts::contacts(): "contacts";
    "crm/contacts/[id]" => contacts::contact(): "one contact";
    "crm/contacts/[id]/block" => contacts::block(): "who is blocked";
    "crm/contacts/[id]/consents" => contacts::consents(): "what a contact has said about marketing";
    "crm/contacts/[id]/data" => contacts::personal_data(): "everything about one person";
    "crm/contacts/[id]/merge" => contacts::merge(): "two contacts that are one person";
    "crm/contacts/[id]/notes" => contacts::notes(): "notes about a contact";
    "crm/contacts/[id]/timeline" => contacts::timeline(): "what happened with a contact";
    "crm/contacts/bulk" => contacts::bulk(): "one thing with many contacts", max_duration = 60;
    "crm/contacts/duplicates" => contacts::duplicates(): "contacts that may be one person";
    "crm/contacts/export" => contacts::export(): "contacts as a table", max_duration = 120;
    "crm/contacts/import" => contacts::import(): "contacts from files", max_duration = 60;
    "crm/fields" => contacts::fields(): "what an organisation keeps of its contacts";
    "crm/fields/[id]" => contacts::field(): "one field of contacts", max_duration = 60;
    "crm/labels" => inbox::labels::labels(): "labels";
    "crm/labels/[id]" => inbox::labels::label(): "one label";
    "crm/segments" => contacts::segments::segments(): "saved filters of contacts";
    "crm/segments/[id]" => contacts::segments::segment(): "one segment";
    "crm/segments/preview" => contacts::segments::preview(): "whom a filter would leave";
    "cron/housekeeping" => crm::housekeeping::housekeeping(): "what is looked after every hour", max_duration = 120;
    "cron/imports" => crm::imports(): "goes on with imports, every minute", max_duration = 60;
    "cron/process-broadcasts" => crm::process_broadcasts(): "sends what is due, every minute", max_duration = 90;
    "cron/replay-webhooks" => webhooks::replay(): "stores kept deliveries once more";
    "health" => crm::health::service(): "is the service well?";
    "health/workers" => crm::health::workers(): "is the background work keeping up?";
    "messages/[id]" => inbox::message(): "one message and its history";
    "messages/[id]/forward" => inbox::forward(): "a message to other conversations";
    "messages/[id]/resend" => inbox::resend(): "a failed message once more";
    "messages/status" => inbox::message_status(): "the states of many messages";
    "modules" => access::modules::modules(): "the registry of modules";
    "modules/[id]" => access::modules::module(): "one module";
    "not-found" => crm_core::not_found(): "where `vercel.json` sends paths under `/api` that no function serves";
    "openapi.json" => crm::openapi(): "the API described";
    "queue" => broadcasts::queue::status(): "the queue";
    "queue/retry" => broadcasts::queue::retry(): "the dead letters, once more";
    "quick-replies" => inbox::quick_replies::quick_replies(): "prepared answers";
    "quick-replies/[id]" => inbox::quick_replies::quick_reply(): "one prepared answer";
    "quick-replies/[id]/render" => inbox::quick_replies::render(): "a prepared answer as it reads in a conversation";
    "rbac/permissions" => access::rbac::permissions(): "what can be permitted";
    "rbac/roles" => access::rbac::roles(): "roles";
    "rbac/roles/[id]" => access::rbac::role(): "one role";
    "rbac/templates" => access::rbac::templates(): "named sets of permissions";
    "rbac/users/[id]" => access::rbac::user(): "the roles of one person";
    "tenant" => access::tenancy::tenant(): "the organisation";
    "whatsapp/media" => media::upload(): "upload a file to be sent", max_duration = 120;
    "whatsapp/media/[id]" => media::file(): "a file: open and delete";
    "whatsapp/messages" => inbox::first_message(): "a message to a contact or a phone number";
    "whatsapp/sessions" => numbers::sessions(): "the connected numbers: list and connect";
    "whatsapp/sessions/[id]" => numbers::session(): "a connected number: show, change and delete";
    "whatsapp/webhook" => webhooks::webhook(): "what Meta tells us", allocate_quickly;
}
