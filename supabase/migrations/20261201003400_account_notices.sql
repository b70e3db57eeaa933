-- Notices from Meta about accounts, numbers and templates. They are kept for people to read, and applied where they
-- change what the tenant may do. Notices in unusual formats or in the wrong order are applied correctly.

create table public.account_events (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  meta_business_account_id text not null,
  -- the number of the notice; null for a notice about the account
  session_id uuid,
  -- Meta's field, and the event: DISABLED_UPDATE, APPROVED, FLAGGED, ...
  field text not null,
  kind text not null,
  severity text not null check (severity in ('info', 'warning', 'critical')),
  -- one sentence for people, {"en", "id"}
  summary jsonb not null,
  payload jsonb not null,
  -- identifies a repeated delivery of the same notice
  fingerprint text not null,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  unique (tenant_id, fingerprint),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id)
    on delete set null (session_id)
);
create index account_events_list_idx on public.account_events (tenant_id, occurred_at desc, id);
create index account_events_session_idx on public.account_events (session_id, tenant_id);

create function private.announce_account_event() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform private.record_and_broadcast(
    new.tenant_id, 'account_events', null, 'account_event.created', to_jsonb(new) - 'tenant_id' - 'fingerprint' - 'payload'
  );
  return null;
end;
$$;

create function private.meta_limit(value text) returns text
language sql immutable set search_path = '' as $$
  select case
    when value in ('-1', 'UNLIMITED') then 'TIER_UNLIMITED'
    when value ~ '^[0-9]{4,9}$' and value::integer % 1000 = 0 then 'TIER_' || value::integer / 1000 || 'K'
    when value ~ '^[0-9]{1,9}$' then 'TIER_' || value
    else upper(nullif(value, ''))
  end;
$$;

-- How many customers a limit allows a day; an unknown limit counts as none.
create function private.limit_size(message_limit text) returns bigint
language sql immutable set search_path = '' as $$
  select case
    when message_limit = 'TIER_UNLIMITED' then 1000000000
    when message_limit ~ '^TIER_[0-9]{1,9}K$' then substring(message_limit from '[0-9]+')::bigint * 1000
    when message_limit ~ '^TIER_[0-9]{1,9}$' then substring(message_limit from '[0-9]+')::bigint
    else 0
  end;
$$;

-- The event of a notice, from the place where its field has it. A notice without it is named like its field, and changes
-- nothing.
create function private.notice_kind(field text, value jsonb) returns text
language sql immutable set search_path = '' as $$
  select upper(left(coalesce(nullif(case
    when field = 'message_template_quality_update' then value ->> 'new_quality_score'
    when field = 'template_category_update' then value ->> 'new_category'
    when field in ('phone_number_name_update', 'account_review_update') then value ->> 'decision'
    when field = 'account_alerts' then coalesce(value #>> '{alert_info,alert_type}', value ->> 'alert_type', value ->> 'event')
    when field like 'business\_username\_update%' then value ->> 'status'
    else value ->> 'event'
  end, ''), field), 100));
$$;

-- The effect of a notice on the account: {"standing"} or {"connection"}, with null for a problem that ended. Null for
-- notices without an effect.
create function private.notice_consequence(kind text, value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case
    when kind = 'DISABLED_UPDATE' then case upper(coalesce(value #>> '{ban_info,waba_ban_state,0}', value #>> '{ban_info,waba_ban_state}', 'DISABLE'))
      when 'DISABLE' then '{"standing": "account_disabled"}'
      when 'REINSTATE' then '{"standing": null}'
    end
    when kind = 'ACCOUNT_RESTRICTION' then case when exists (
      select 1 from jsonb_array_elements(private.json_elements(value -> 'restriction_info')) as r
      where r ->> 'restriction_type' ~ 'MESSAGING'
    ) then '{"standing": "account_restricted"}' end
    when kind = 'ACCOUNT_REINSTATED' then '{"standing": null}'
    when kind = 'ACCOUNT_DELETED' then '{"connection": "account_deleted"}'
    when kind in ('PARTNER_REMOVED', 'PARTNER_APP_UNINSTALLED', 'ACCOUNT_OFFBOARDED')
      then '{"connection": "account_disconnected"}'
    when kind in ('PARTNER_ADDED', 'PARTNER_APP_INSTALLED', 'ACCOUNT_RECONNECTED') then '{"connection": null}'
  end::jsonb;
$$;

-- The reason why a number cannot be used, for people.
create function private.account_sentence(code text) returns jsonb
language sql immutable set search_path = '' as $$
  select case code
    when 'account_disabled' then jsonb_build_object(
      'en', 'Meta has disabled the WhatsApp account. Nothing can be sent until it is reinstated.',
      'id', 'Meta menonaktifkan akun WhatsApp. Tidak ada pesan yang dapat dikirim sampai akun dipulihkan.')
    when 'account_restricted' then jsonb_build_object(
      'en', 'Meta has restricted messaging from the WhatsApp account. The account overview at Meta says until when.',
      'id', 'Meta membatasi pengiriman pesan dari akun WhatsApp. Ringkasan akun di Meta menjelaskan sampai kapan.')
    when 'account_deleted' then jsonb_build_object(
      'en', 'The WhatsApp account was deleted at Meta.',
      'id', 'Akun WhatsApp telah dihapus di Meta.')
    when 'account_disconnected' then jsonb_build_object(
      'en', 'The WhatsApp account was disconnected from this product. Connect it again.',
      'id', 'Akun WhatsApp telah diputuskan dari produk ini. Hubungkan kembali.')
    else jsonb_build_object(
      'en', 'The WhatsApp account is well again.',
      'id', 'Akun WhatsApp sudah baik kembali.')
  end;
$$;

-- One sentence for people, and the importance: {"severity", "en", "id"}.
create function private.notice_summary(field text, kind text, value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  with incoming as (
    select
      lower(replace(kind, '_', ' ')) as words,
      -- the subject, if the event does not name it
      nullif(replace(field, '_', ' '), case when upper(field) = kind then replace(field, '_', ' ')
        else 'account update' end) as topic,
      coalesce(value ->> 'message_template_name', '?') || ' (' || coalesce(value ->> 'message_template_language', '?') || ')'
        as template,
      private.notice_consequence(kind, value) as consequence,
      coalesce(private.notice_consequence(kind, value) ->> 'standing',
        private.notice_consequence(kind, value) ->> 'connection') as code,
      (select string_agg(lower(replace(r ->> 'restriction_type', '_', ' ')), ', ')
        from jsonb_array_elements(private.json_elements(value -> 'restriction_info')) as r) as restrictions,
      nullif(nullif(value ->> 'reason', 'NONE'), '') as reason,
      private.meta_limit(coalesce(value ->> 'current_limit', value ->> 'max_daily_conversations_per_business',
        value ->> 'max_daily_conversation_per_phone')) as message_limit
  ),
  sentence as (
    select case
      when field = 'account_update' and t.consequence ? 'connection' and t.code is null then array['info',
        case when value ->> 'phone_number' <> '' then 'Number ' || (value ->> 'phone_number') else 'The WhatsApp account' end
          || ' is connected to this product.',
        case when value ->> 'phone_number' <> '' then 'Nomor ' || (value ->> 'phone_number') else 'Akun WhatsApp' end
          || ' terhubung dengan produk ini.']
      when field = 'account_update' and t.code = 'account_disconnected' and value ->> 'phone_number' <> '' then
        array['critical',
          'Number ' || (value ->> 'phone_number') || ' was disconnected from this product. Connect it again.',
          'Nomor ' || (value ->> 'phone_number') || ' telah diputuskan dari produk ini. Hubungkan kembali.']
      when field = 'account_update' and kind = 'ACCOUNT_RESTRICTION' and value #>> '{violation_info,violation_type}' ~ 'UNBAN$'
        then array['info',
          'Meta has lifted a restriction of the WhatsApp account: '
            || lower(replace(value #>> '{violation_info,violation_type}', '_', ' ')) || '.',
          'Meta mencabut pembatasan akun WhatsApp: '
            || lower(replace(value #>> '{violation_info,violation_type}', '_', ' ')) || '.']
      when field = 'account_update' and t.consequence is not null then array[
        case when t.code is null then 'info' else 'critical' end,
        private.account_sentence(t.code) ->> 'en', private.account_sentence(t.code) ->> 'id']
      when field = 'account_update' and kind = 'ACCOUNT_RESTRICTION' then array['warning',
        'Meta has restricted the WhatsApp account' || coalesce(': ' || t.restrictions, '') || '.',
        'Meta membatasi akun WhatsApp' || coalesce(': ' || t.restrictions, '') || '.']
      when kind = 'DISABLED_UPDATE' then array['warning',
        'Meta is going to disable the WhatsApp account' || coalesce(' on ' || (value #>> '{ban_info,waba_ban_date}'), '') || '.',
        'Meta akan menonaktifkan akun WhatsApp' || coalesce(' pada ' || (value #>> '{ban_info,waba_ban_date}'), '') || '.']
      when kind = 'ACCOUNT_VIOLATION' then array['warning',
        'Meta has found a breach of its policies: ' || coalesce(value #>> '{violation_info,violation_type}', '?') || '.',
        'Meta menemukan pelanggaran kebijakan: ' || coalesce(value #>> '{violation_info,violation_type}', '?') || '.']
      when field = 'account_alerts' then array[
        case upper(coalesce(value #>> '{alert_info,alert_severity}', value ->> 'alert_severity'))
          when 'CRITICAL' then 'critical' when 'WARNING' then 'warning' else 'info' end,
        'Meta: ' || coalesce(value #>> '{alert_info,alert_description}', value ->> 'alert_description', kind),
        'Meta: ' || coalesce(value #>> '{alert_info,alert_description}', value ->> 'alert_description', kind)]
      when field = 'account_review_update' then array[case kind when 'REJECTED' then 'critical' else 'info' end,
        'Meta''s review of the WhatsApp account: ' || lower(kind) || '.',
        'Hasil peninjauan akun WhatsApp oleh Meta: ' || lower(kind) || '.']
      when field = 'message_template_status_update' then array[
        case when kind in ('REJECTED', 'PAUSED', 'DISABLED', 'FLAGGED', 'LIMIT_EXCEEDED') then 'warning' else 'info' end,
        'Template ' || t.template || ' is now ' || t.words || coalesce(' (' || t.reason || ')', '') || '.',
        'Template ' || t.template || ' sekarang berstatus ' || t.words || coalesce(' (' || t.reason || ')', '') || '.']
      when field = 'message_template_quality_update' then array[case kind when 'RED' then 'warning' else 'info' end,
        'The quality of template ' || t.template || ' is now ' || lower(kind) || '.',
        'Kualitas template ' || t.template || ' sekarang ' || lower(kind) || '.']
      when field = 'template_category_update' and value ? 'correct_category' then array['warning',
        'Meta is going to move template ' || t.template || ' to category ' || lower(value ->> 'correct_category') || '.',
        'Meta akan memindahkan template ' || t.template || ' ke kategori ' || lower(value ->> 'correct_category') || '.']
      when field = 'template_category_update' then array['warning',
        'Meta has moved template ' || t.template || ' to category ' || lower(kind) || '.',
        'Meta memindahkan template ' || t.template || ' ke kategori ' || lower(kind) || '.']
      when field = 'message_template_components_update' then array['info',
        'The content of template ' || t.template || ' has changed.', 'Isi template ' || t.template || ' telah berubah.']
      when field = 'phone_number_quality_update' then array[
        case when kind in ('FLAGGED', 'DOWNGRADE') then 'warning' else 'info' end,
        case when kind in ('FLAGGED', 'UNFLAGGED') then 'The quality of number '
          else 'Meta has changed the limits of number '
        end || coalesce(value ->> 'display_phone_number', '?') || case kind when 'FLAGGED' then ' is low.'
          when 'UNFLAGGED' then ' is no longer low.' else ' (' || t.words || coalesce(', ' || t.message_limit, '') || ').' end,
        case when kind in ('FLAGGED', 'UNFLAGGED') then 'Kualitas nomor ' else 'Meta mengubah batas nomor '
        end || coalesce(value ->> 'display_phone_number', '?') || case kind when 'FLAGGED' then ' rendah.'
          when 'UNFLAGGED' then ' tidak lagi rendah.' else ' (' || t.words || coalesce(', ' || t.message_limit, '') || ').' end]
      when field = 'phone_number_name_update' then array[case kind when 'APPROVED' then 'info' else 'warning' end,
        'The display name "' || coalesce(value ->> 'requested_verified_name', '?') || '" is ' || lower(kind) || '.',
        'Nama tampilan "' || coalesce(value ->> 'requested_verified_name', '?') || '" berstatus ' || lower(kind) || '.']
      when field = 'business_capability_update' then array['info',
        'The messaging limit of the business is now ' || coalesce(t.message_limit, '?') || '.',
        'Batas pengiriman pesan bisnis sekarang ' || coalesce(t.message_limit, '?') || '.']
      when field = 'flows' and value ->> 'message' <> '' then array['info',
        'Meta: ' || (value ->> 'message'), 'Meta: ' || (value ->> 'message')]
      when field = 'template_correct_category_detection' then array['warning',
        'Meta holds that template ' || t.template || ' belongs to category '
          || coalesce(lower(coalesce(value ->> 'correct_category', value ->> 'new_category')), '?') || '.',
        'Menurut Meta template ' || t.template || ' termasuk kategori '
          || coalesce(lower(coalesce(value ->> 'correct_category', value ->> 'new_category')), '?') || '.']
      when field like 'business\_username\_update%' then array['info',
        'The username "' || coalesce(value ->> 'username', '?') || '" of number '
          || coalesce(value ->> 'display_phone_number', '?') || ' is ' || t.words || '.',
        'Nama pengguna "' || coalesce(value ->> 'username', '?') || '" untuk nomor '
          || coalesce(value ->> 'display_phone_number', '?') || ' berstatus ' || t.words || '.']
      else array['info', 'Meta reports: ' || coalesce(t.topic || ', ', '') || t.words || '.',
        'Meta melaporkan: ' || coalesce(t.topic || ', ', '') || t.words || '.']
    end as parts
    from incoming t
  )
  select jsonb_build_object('severity', parts[1], 'en', parts[2], 'id', parts[3]) from sentence;
$$;

create function private.numbers_of_account(tenant uuid, account text) returns uuid[]
language sql stable set search_path = '' as $$
  select coalesce(array_agg(s.id order by s.id), '{}') from public.whatsapp_sessions s
  where s.tenant_id = tenant and s.meta_business_account_id = account;
$$;

-- Applies a notice about an account. A ban, a restriction or the loss of the account stops its numbers, with the reason
-- in the tenant's language. The end of the problem restores their earlier status. `sessions` are the numbers that the
-- notice concerns.
create function private.apply_account_notice(tenant uuid, sessions uuid[], consequence jsonb, at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.whatsapp_sessions s
  where s.tenant_id = tenant and s.id = any (sessions) order by s.id for update;

  update public.whatsapp_sessions s
  set
    account_standing = case when consequence ? 'standing' then consequence ->> 'standing' else s.account_standing end,
    account_standing_at = case when consequence ? 'standing' then at else s.account_standing_at end,
    account_standing_until = case when consequence ? 'standing' then (consequence ->> 'until')::timestamptz
      else s.account_standing_until end,
    account_connection = case when consequence ? 'connection' then consequence ->> 'connection'
      else s.account_connection end,
    account_connection_at = case when consequence ? 'connection' then at else s.account_connection_at end
  where s.tenant_id = tenant and s.id = any (sessions) and at >= coalesce(
    case when consequence ? 'standing' then s.account_standing_at else s.account_connection_at end, '-infinity'
  );

  update public.whatsapp_sessions s
  set
    status = case when n.code is not null then 'broken' else coalesce(s.status_before, 'connected') end,
    status_reason = case when n.code is not null then private.account_sentence(n.code) ->> t.locale end,
    status_code = n.code,
    status_before = case when n.code is null then null when s.status = 'broken' then s.status_before else s.status end
  from (
    select o.id, coalesce(o.account_standing, o.account_connection) as code from public.whatsapp_sessions o
    where o.tenant_id = tenant and o.id = any (sessions)
  ) n
  join public.tenants t on t.id = tenant
  where s.id = n.id
    -- a number that is broken for another reason stays broken
    and case
      when n.code is null then s.status = 'broken' and s.status_code like 'account\_%'
      -- a number that a person has reconnected stays connected when the other kind of problem ends
      when coalesce(consequence ->> 'standing', consequence ->> 'connection') is null then s.status = 'broken'
      else s.status in ('connected', 'paused', 'broken')
    end
    and s.status_code is distinct from n.code;
end;
$$;

create function private.apply_number_notice(
  tenant uuid, account text, session uuid, field text, kind text, value jsonb, at timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  message_limit constant text := private.meta_limit(coalesce(value ->> 'current_limit',
    value ->> 'max_daily_conversations_per_business', value ->> 'max_daily_conversation_per_phone'));
begin
  if field = 'phone_number_quality_update' then
    update public.whatsapp_sessions s
    set
      quality_at = at,
      quality_rating = case kind when 'FLAGGED' then 'RED'
        -- the quality has improved; the next health check reads the new rating
        when 'UNFLAGGED' then 'UNKNOWN' else s.quality_rating end,
      throughput_level = case kind when 'THROUGHPUT_UPGRADE' then 'HIGH' else s.throughput_level end
    where s.id = session and coalesce(s.quality_at, '-infinity') <= at;
  elsif field = 'phone_number_name_update' and kind <> upper(field) then
    update public.whatsapp_sessions s
    set
      name_at = at,
      name_status = kind,
      verified_name = case kind when 'APPROVED' then coalesce(value ->> 'requested_verified_name', s.verified_name)
        else s.verified_name end
    where s.id = session and coalesce(s.name_at, '-infinity') <= at;
  end if;

  -- The limit belongs to the portfolio, so it applies to every number of the account. Of two at the same moment the
  -- lower one counts.
  if message_limit is not null then
    update public.whatsapp_sessions s
    set limit_at = at, messaging_limit = message_limit
    where s.tenant_id = tenant and s.meta_business_account_id = account and (
      s.limit_at is null or s.limit_at < at
      or (s.limit_at = at and private.limit_size(message_limit) < private.limit_size(s.messaging_limit))
    );
  end if;
end;
$$;

-- The buttons of a notice in the format of Meta's API.
create function private.notice_buttons(value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'type', b ->> 'message_template_button_type', 'text', b ->> 'message_template_button_text',
    'url', b ->> 'message_template_button_url', 'phone_number', b ->> 'message_template_button_phone_number'
  )))
  from jsonb_array_elements(private.json_list(value -> 'message_template_buttons')) as b;
$$;

-- A template's components with the new texts of the notice.
create function private.renewed_components(components jsonb, value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  with incoming as (
    select * from (values
      ('HEADER', case when value ->> 'message_template_title' <> '' then jsonb_build_object(
        'type', 'HEADER', 'format', 'TEXT', 'text', value ->> 'message_template_title') end, 1),
      ('BODY', case when value ->> 'message_template_element' <> '' then jsonb_build_object(
        'type', 'BODY', 'text', value ->> 'message_template_element') end, 2),
      ('FOOTER', case when value ->> 'message_template_footer' <> '' then jsonb_build_object(
        'type', 'FOOTER', 'text', value ->> 'message_template_footer') end, 3),
      ('BUTTONS', case when private.notice_buttons(value) is not null then jsonb_build_object(
        'type', 'BUTTONS', 'buttons', private.notice_buttons(value)) end, 4)
    ) as n (type, component, place)
  )
  select coalesce(jsonb_agg(m.component order by m.place, m.nth), '[]')
  from (
    -- parts that the notice does not contain, such as examples, stay
    select case when o.component ->> 'format' <> n.component ->> 'format' then n.component
      else coalesce(o.component, '{}') || coalesce(n.component, '{}') end as component, n.place, o.nth
    from incoming n
    left join (
      select c as component, nth from jsonb_array_elements(components) with ordinality as e (c, nth)
    ) o on upper(o.component ->> 'type') = n.type
    where coalesce(o.component, n.component) is not null
    union all
    select c, 5, nth from jsonb_array_elements(components) with ordinality as e (c, nth)
    where upper(coalesce(c ->> 'type', '')) not in ('HEADER', 'BODY', 'FOOTER', 'BUTTONS')
  ) m;
$$;

create function private.apply_template_notice(
  tenant uuid, account text, field text, kind text, value jsonb, at timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  -- ids exceed the precision of a JSON number elsewhere, so they are kept as text
  template_id constant text := nullif(value ->> 'message_template_id', '');
  template_name constant text := value ->> 'message_template_name';
  template_language constant text := replace(value ->> 'message_template_language', '-', '_');
  found_ids uuid[];
begin
  found_ids := array(
    select t.id from public.broadcast_templates t
    where t.tenant_id = tenant
      and (t.meta_business_account_id = account or t.meta_business_account_id is null)
      and (t.meta_template_id = template_id
        or (t.meta_template_id is null and t.name = template_name and replace(t.language, '-', '_') = template_language))
    order by t.id
    for update
  );

  -- a notice without an event has no effect on the template
  if kind = upper(field) and (
    field in ('message_template_status_update', 'message_template_quality_update')
    or (field = 'template_category_update' and not value ? 'correct_category')
  ) then
    return;
  end if;

  update public.broadcast_templates t
  set meta_template_id = template_id
  where t.id = any (found_ids) and t.meta_template_id is null and template_id is not null;

  case field
    when 'message_template_status_update' then
      update public.broadcast_templates t
      set
        status_at = at,
        status = case
          when kind in ('REINSTATED', 'UNARCHIVED', 'UNLOCKED', 'UNPAUSED') then 'APPROVED'
          -- a warning; the template can still be sent
          when kind = 'FLAGGED' then t.status
          else kind
        end,
        rejected_reason = case when kind = 'REJECTED' then nullif(value ->> 'reason', 'NONE') end,
        status_detail = nullif(concat_ws(': ', value #>> '{other_info,title}',
          coalesce(value #>> '{other_info,description}', value #>> '{rejection_info,reason}',
            coalesce(to_char(private.notice_moment(value #>> '{disable_info,disable_date}') at time zone 'UTC', 'YYYY-MM-DD'),
              value #>> '{disable_info,disable_date}'))), ''),
        category = case when value ->> 'message_template_category' in ('MARKETING', 'UTILITY', 'AUTHENTICATION')
          then value ->> 'message_template_category' else t.category end
      where t.id = any (found_ids) and coalesce(t.status_at, '-infinity') <= at;
    when 'message_template_quality_update' then
      update public.broadcast_templates t
      set quality_at = at, quality_score = kind
      where t.id = any (found_ids) and coalesce(t.quality_at, '-infinity') <= at;
    when 'template_category_update' then
      update public.broadcast_templates t
      set
        category_at = at,
        category = case when value ->> 'new_category' in ('MARKETING', 'UTILITY', 'AUTHENTICATION')
          then value ->> 'new_category' else t.category end,
        upcoming_category = value ->> 'correct_category',
        upcoming_category_at = case when value ? 'correct_category'
          and value ->> 'category_update_timestamp' ~ '^[0-9]{1,11}$'
          then to_timestamp((value ->> 'category_update_timestamp')::bigint) end
      where t.id = any (found_ids) and coalesce(t.category_at, '-infinity') <= at;
    when 'message_template_components_update' then
      update public.broadcast_templates t
      set components_at = at, components = private.renewed_components(t.components, value)
      where t.id = any (found_ids) and coalesce(t.components_at, '-infinity') <= at;
    else
      null;
  end case;
end;
$$;

-- Stores one event of another field: {"field", "business_account_id"?, "phone_number_id"?, "timestamp"?, "payload"}.
-- Returns the reason if the event is kept only in the raw delivery, otherwise null. Safe to repeat.
create function private.ingest_event(event jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  field constant text := event ->> 'field';
  account constant text := event ->> 'business_account_id';
  value constant jsonb := event -> 'payload';
  kind constant text := private.notice_kind(field, value);
  at constant timestamptz := private.meta_time(coalesce((event ->> 'timestamp')::bigint,
    case when value ->> 'timestamp' ~ '^[0-9]{1,15}$' then (value ->> 'timestamp')::bigint end));
  named_number constant text := coalesce(event ->> 'phone_number_id',
    case when value ->> 'entity_type' = 'PHONE_NUMBER' then value ->> 'entity_id' end);
  summary constant jsonb := private.notice_summary(field, kind, value);
  digits constant text := regexp_replace(
    coalesce(value ->> 'display_phone_number', value ->> 'phone_number', ''), '[^0-9]', '', 'g'
  );
  session public.whatsapp_sessions;
  tenant uuid;
  number uuid;
begin
  if field = 'user_preferences' then
    select s.* into session from public.whatsapp_sessions s
    where s.meta_phone_number_id = event ->> 'phone_number_id';
    if not found then
      return 'unknown_number';
    end if;
    return private.ingest_preferences(session, value, (event ->> 'timestamp')::bigint);
  end if;

  if not exists (
    select 1 from public.whatsapp_sessions s
    where s.meta_business_account_id = account and s.status <> 'disconnected'
  ) then
    return 'unknown_account';
  end if;
  for tenant in
    select distinct s.tenant_id from public.whatsapp_sessions s
    where s.meta_business_account_id = account and s.status <> 'disconnected'
    order by 1
  loop
    number := (
      select s.id from public.whatsapp_sessions s
      where s.tenant_id = tenant and s.meta_business_account_id = account and s.status <> 'disconnected'
        and (s.meta_phone_number_id = named_number
          or (digits <> '' and regexp_replace(s.display_phone_number, '[^0-9]', '', 'g') = digits)
          -- the account's only number, whose displayed number is not known
          or (digits <> '' and s.display_phone_number = '' and not exists (
            select 1 from public.whatsapp_sessions o
            where o.tenant_id = tenant and o.meta_business_account_id = account and o.id <> s.id
          )))
      order by s.id
      limit 1
    );
    insert into public.account_events (
      tenant_id, meta_business_account_id, session_id, field, kind, severity, summary, payload, fingerprint, occurred_at
    )
    values (
      tenant, account, number, field, kind, summary ->> 'severity', summary - 'severity', value,
      md5(concat_ws(' ', field, account, event ->> 'timestamp', value)), at
    )
    on conflict (tenant_id, fingerprint) do nothing;
    if not found then
      -- A repeated delivery has already been applied.
      continue;
    end if;

    case
      when field = 'account_update' then
        if private.notice_consequence(kind, value) is not null then
          perform private.apply_account_notice(
            tenant,
            -- a notice that names a number concerns that number alone
            case when value ? 'phone_number' then array_remove(array[number], null)
              else private.numbers_of_account(tenant, account) end,
            private.notice_consequence(kind, value) || jsonb_build_object('until', private.restricted_until(value, at)), at
          );
        end if;
      when field in ('phone_number_quality_update', 'phone_number_name_update', 'business_capability_update') then
        perform private.apply_number_notice(tenant, account, number, field, kind, value, at);
      when field like '%template%' then
        perform private.apply_template_notice(tenant, account, field, kind, value, at);
      else
        null;
    end case;
  end loop;
  return null;
end;
$$;

create function private.live_account_event(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select to_jsonb(e) - 'tenant_id' - 'fingerprint' - 'payload' from public.account_events e
  where e.id = live_account_event.id;
$$;

-- Parses a time from Meta: seconds or milliseconds since 1970, or a date with an offset. Null for anything else.
create function private.notice_moment(words text) returns timestamptz
language plpgsql immutable set search_path = '' as $$
begin
  return case
    when words ~ '^[0-9]{13}$' then to_timestamp(words::numeric / 1000)
    when words ~ '^[0-9]{1,12}$' then to_timestamp(words::numeric)
    when words ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+ ?([Zz]|[+-][0-9:]+)$' then words::timestamptz
  end;
exception
  when others then
    return null;
end;
$$;

-- The end of the last messaging restriction in a notice; null if a restriction has no end, or ended before the notice.
create function private.restricted_until(value jsonb, at timestamptz) returns timestamptz
language sql immutable set search_path = '' as $$
  select case when bool_and(coalesce(m.moment > at, false)) then max(m.moment) end
  from jsonb_array_elements(private.json_elements(value -> 'restriction_info')) as r
  cross join lateral private.notice_moment(r ->> 'expiration') as m (moment)
  where r ->> 'restriction_type' ~ 'MESSAGING';
$$;

-- Ends restrictions whose time is over. Returns the number of affected numbers. Each run of the sender and the
-- housekeeping call it.
create function public.end_restrictions() returns integer
language plpgsql set search_path = '' as $$
declare
  account record;
  ended integer := 0;
begin
  for account in
    select s.tenant_id, s.meta_business_account_id as id, max(s.account_standing_until) as until,
      max(s.account_standing_at) as noticed_at, count(*) as numbers
    from public.whatsapp_sessions s
    where s.account_standing_until <= now()
    group by s.tenant_id, s.meta_business_account_id
    order by s.tenant_id, s.meta_business_account_id
  loop
    -- at the time of the notice: a later notice that is delivered late still counts
    perform private.apply_account_notice(
      account.tenant_id, private.numbers_of_account(account.tenant_id, account.id), '{"standing": null}', account.noticed_at
    );
    ended := ended + account.numbers;
    insert into public.account_events (
      tenant_id, meta_business_account_id, field, kind, severity, summary, payload, fingerprint, occurred_at
    )
    values (
      account.tenant_id, account.id, 'account_update', 'RESTRICTION_ENDED', 'info', private.account_sentence(null), '{}',
      md5(concat_ws(' ', 'restriction_ended', account.id, extract(epoch from account.until))), account.until
    )
    on conflict (tenant_id, fingerprint) do nothing;
  end loop;
  return ended;
end;
$$;

create trigger announce_created after insert on public.account_events
  for each row execute function private.announce_account_event();

alter table public.account_events enable row level security;

create policy "permitted people read notices of their accounts" on public.account_events
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('numbers.events')));

grant select on public.account_events to authenticated;

grant execute on function private.live_account_event(uuid) to authenticated;
