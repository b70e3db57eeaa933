-- Bounds of stored values, whatever wrote them. A time lies between the years 1900 and 9999, because not every client can
-- read another one. A text or document that a caller chooses has a size. The functions of the API check the same values
-- first and name the field. A test compares this file with the columns in the catalogue.

-- Times. `least` and `greatest` leave out what is null.

alter table public.account_events add constraint account_events_times check (
  least(occurred_at, created_at) >= '1900-01-01T00:00:00Z'
  and greatest(occurred_at, created_at) < '9999-12-31T00:00:00Z'
);

alter table public.api_keys add constraint api_keys_times check (
  least(created_at, expires_at, last_used_at, revoked_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, expires_at, last_used_at, revoked_at) < '9999-12-31T00:00:00Z'
);

alter table public.audit_logs add constraint audit_logs_times check (
  occurred_at >= '1900-01-01T00:00:00Z'
  and occurred_at < '9999-12-31T00:00:00Z'
);

alter table public.broadcast_campaigns add constraint broadcast_campaigns_times check (
  least(
    scheduled_at, started_at, completed_at, created_at, updated_at, held_until, cancelled_at, probed_at
  ) >= '1900-01-01T00:00:00Z'
  and greatest(
    scheduled_at, started_at, completed_at, created_at, updated_at, held_until, cancelled_at, probed_at
  ) < '9999-12-31T00:00:00Z'
);

alter table public.broadcast_recipients add constraint broadcast_recipients_times check (
  least(
    due_at, sent_at, delivered_at, read_at, failed_at, created_at, replied_at, claimed_at
  ) >= '1900-01-01T00:00:00Z'
  and greatest(
    due_at, sent_at, delivered_at, read_at, failed_at, created_at, replied_at, claimed_at
  ) < '9999-12-31T00:00:00Z'
);

alter table public.broadcast_templates add constraint broadcast_templates_times check (
  least(
    created_at, updated_at, status_at, quality_at, category_at, upcoming_category_at, submitted_at,
    submitting_since, deleted_at, components_at
  ) >= '1900-01-01T00:00:00Z'
  and greatest(
    created_at, updated_at, status_at, quality_at, category_at, upcoming_category_at, submitted_at,
    submitting_since, deleted_at, components_at
  ) < '9999-12-31T00:00:00Z'
);

alter table public.contact_consents add constraint contact_consents_times check (
  least(occurred_at, created_at) >= '1900-01-01T00:00:00Z'
  and greatest(occurred_at, created_at) < '9999-12-31T00:00:00Z'
);

alter table public.contact_fields add constraint contact_fields_times check (
  least(created_at, updated_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, updated_at) < '9999-12-31T00:00:00Z'
);

alter table public.contact_imports add constraint contact_imports_times check (
  least(created_at, finished_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, finished_at) < '9999-12-31T00:00:00Z'
);

alter table public.contact_labels add constraint contact_labels_times check (
  created_at >= '1900-01-01T00:00:00Z'
  and created_at < '9999-12-31T00:00:00Z'
);

alter table public.contact_notes add constraint contact_notes_times check (
  created_at >= '1900-01-01T00:00:00Z'
  and created_at < '9999-12-31T00:00:00Z'
);

alter table public.contacts add constraint contacts_times check (
  least(
    created_at, updated_at, marketing_opted_out_at, user_id_at, profile_at, blocked_at, erased_at
  ) >= '1900-01-01T00:00:00Z'
  and greatest(
    created_at, updated_at, marketing_opted_out_at, user_id_at, profile_at, blocked_at, erased_at
  ) < '9999-12-31T00:00:00Z'
);

alter table public.conversation_events add constraint conversation_events_times check (
  occurred_at >= '1900-01-01T00:00:00Z'
  and occurred_at < '9999-12-31T00:00:00Z'
);

alter table public.conversation_labels add constraint conversation_labels_times check (
  created_at >= '1900-01-01T00:00:00Z'
  and created_at < '9999-12-31T00:00:00Z'
);

alter table public.conversation_notes add constraint conversation_notes_times check (
  least(created_at, edited_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, edited_at) < '9999-12-31T00:00:00Z'
);

alter table public.conversation_reads add constraint conversation_reads_times check (
  read_through >= '1900-01-01T00:00:00Z'
  and read_through < '9999-12-31T00:00:00Z'
);

alter table public.conversations add constraint conversations_times check (
  least(
    last_message_at, last_inbound_at, echoed_at, window_expires_at, created_at, updated_at, referral_at,
    snoozed_until, waiting_since, unseen_since
  ) >= '1900-01-01T00:00:00Z'
  and greatest(
    last_message_at, last_inbound_at, echoed_at, window_expires_at, created_at, updated_at, referral_at,
    snoozed_until, waiting_since, unseen_since
  ) < '9999-12-31T00:00:00Z'
);

alter table public.csat_responses add constraint csat_responses_times check (
  least(answered_at, created_at) >= '1900-01-01T00:00:00Z'
  and greatest(answered_at, created_at) < '9999-12-31T00:00:00Z'
);

alter table public.invitations add constraint invitations_times check (
  least(created_at, expires_at, mailed_at, accepted_at, withdrawn_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, expires_at, mailed_at, accepted_at, withdrawn_at) < '9999-12-31T00:00:00Z'
);

alter table public.labels add constraint labels_times check (
  least(created_at, updated_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, updated_at) < '9999-12-31T00:00:00Z'
);

alter table public.message_media add constraint message_media_times check (
  least(next_attempt_at, expires_at, created_at) >= '1900-01-01T00:00:00Z'
  and greatest(next_attempt_at, expires_at, created_at) < '9999-12-31T00:00:00Z'
);

alter table public.message_prices add constraint message_prices_times check (
  updated_at >= '1900-01-01T00:00:00Z'
  and updated_at < '9999-12-31T00:00:00Z'
);

alter table public.message_status_events add constraint message_status_events_times check (
  least(occurred_at, received_at) >= '1900-01-01T00:00:00Z'
  and greatest(occurred_at, received_at) < '9999-12-31T00:00:00Z'
);

alter table public.messages add constraint messages_times check (
  least(
    occurred_at, sent_at, delivered_at, read_at, failed_at, created_at, edited_at, revoked_at,
    deleted_at, send_at
  ) >= '1900-01-01T00:00:00Z'
  and greatest(
    occurred_at, sent_at, delivered_at, read_at, failed_at, created_at, edited_at, revoked_at,
    deleted_at, send_at
  ) < '9999-12-31T00:00:00Z'
);

alter table public.permission_templates add constraint permission_templates_times check (
  least(created_at, updated_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, updated_at) < '9999-12-31T00:00:00Z'
);

alter table public.profiles add constraint profiles_times check (
  least(deactivated_at, left_at, created_at, updated_at) >= '1900-01-01T00:00:00Z'
  and greatest(deactivated_at, left_at, created_at, updated_at) < '9999-12-31T00:00:00Z'
);

alter table public.published_files add constraint published_files_times check (
  created_at >= '1900-01-01T00:00:00Z'
  and created_at < '9999-12-31T00:00:00Z'
);

alter table public.quick_replies add constraint quick_replies_times check (
  least(last_used_at, created_at, updated_at) >= '1900-01-01T00:00:00Z'
  and greatest(last_used_at, created_at, updated_at) < '9999-12-31T00:00:00Z'
);

alter table public.recipient_lists add constraint recipient_lists_times check (
  least(created_at, updated_at, finished_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, updated_at, finished_at) < '9999-12-31T00:00:00Z'
);

alter table public.roles add constraint roles_times check (
  created_at >= '1900-01-01T00:00:00Z'
  and created_at < '9999-12-31T00:00:00Z'
);

alter table public.segments add constraint segments_times check (
  least(created_at, updated_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, updated_at) < '9999-12-31T00:00:00Z'
);

alter table public.service_settings add constraint service_settings_times check (
  least(created_at, updated_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, updated_at) < '9999-12-31T00:00:00Z'
);

alter table public.tenant_modules add constraint tenant_modules_times check (
  updated_at >= '1900-01-01T00:00:00Z'
  and updated_at < '9999-12-31T00:00:00Z'
);

alter table public.tenants add constraint tenants_times check (
  least(created_at, updated_at, scheduler_stopped_at) >= '1900-01-01T00:00:00Z'
  and greatest(created_at, updated_at, scheduler_stopped_at) < '9999-12-31T00:00:00Z'
);

alter table public.user_roles add constraint user_roles_times check (
  created_at >= '1900-01-01T00:00:00Z'
  and created_at < '9999-12-31T00:00:00Z'
);

alter table public.webhook_events add constraint webhook_events_times check (
  least(received_at, replayed_at) >= '1900-01-01T00:00:00Z'
  and greatest(received_at, replayed_at) < '9999-12-31T00:00:00Z'
);

alter table public.whatsapp_sessions add constraint whatsapp_sessions_times check (
  least(
    created_at, updated_at, health_checked_at, account_standing_at, account_connection_at, quality_at,
    limit_at, name_at, access_changed_at, deleted_at, account_standing_until, access_expires_at
  ) >= '1900-01-01T00:00:00Z'
  and greatest(
    created_at, updated_at, health_checked_at, account_standing_at, account_connection_at, quality_at,
    limit_at, name_at, access_changed_at, deleted_at, account_standing_until, access_expires_at
  ) < '9999-12-31T00:00:00Z'
);

-- Prices. `NaN` is more than any number.
alter table public.message_prices add constraint message_prices_values check (
  amount < 1000000 and effective_from between '1900-01-01' and '9999-12-30'
);

-- Texts and documents of callers. Meta takes 4,096 characters of text. An inbound message has no bound of ours, because it
-- must be kept whatever its size.
alter table public.messages add constraint messages_outbound_size check (
  direction = 'inbound' or (char_length(content) <= 65536 and pg_column_size(payload) <= 262144)
);
alter table public.broadcast_campaigns add constraint broadcast_campaigns_mapping_size check (
  pg_column_size(variable_mapping) <= 65536
);
alter table public.contact_consents add constraint contact_consents_proof_size check (pg_column_size(proof) <= 65536);
alter table public.service_settings add constraint service_settings_size check (
  pg_column_size(greeting) <= 65536 and pg_column_size(away) <= 65536 and pg_column_size(csat) <= 65536
  and pg_column_size(holidays) <= 65536
);
alter table public.permission_templates add constraint permission_templates_size check (
  cardinality(permissions) <= 1000 and pg_column_size(permissions) <= 131072
);
alter table public.tenants add constraint tenants_timezone_size check (char_length(timezone) <= 64);
