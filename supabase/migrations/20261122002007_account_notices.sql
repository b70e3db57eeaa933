-- What Meta reports about accounts, numbers and templates: kept as notices people read, and followed where it changes
-- what we may do.

alter table public.broadcast_templates
  -- what Meta says beside the status: why it was paused, until when
  add column status_detail text,
  add column status_at timestamptz,
  add column quality_at timestamptz,
  add column category_at timestamptz,
  -- a category Meta has announced, and from when it holds
  add column upcoming_category text,
  add column upcoming_category_at timestamptz;

create function private.meta_limit(value text) returns text
language sql immutable set search_path = '' as $$
  select case
    when value in ('-1', 'UNLIMITED') then 'TIER_UNLIMITED'
    when value ~ '^[0-9]{4,9}$' and value::integer % 1000 = 0 then 'TIER_' || value::integer / 1000 || 'K'
    when value ~ '^[0-9]{1,9}$' then 'TIER_' || value
    else upper(nullif(value, ''))
  end;
$$;

-- How many people a limit allows a day; what is not known counts as none.
create function private.limit_size(message_limit text) returns bigint
language sql immutable set search_path = '' as $$
  select case
    when message_limit = 'TIER_UNLIMITED' then 1000000000
    when message_limit ~ '^TIER_[0-9]{1,9}K$' then substring(message_limit from '[0-9]+')::bigint * 1000
    when message_limit ~ '^TIER_[0-9]{1,9}$' then substring(message_limit from '[0-9]+')::bigint
    else 0
  end;
$$;

-- The word for what happened, out of each field's own place for it.
create function private.notice_kind(field text, value jsonb) returns text
language sql immutable set search_path = '' as $$
  select upper(left(coalesce(
    nullif(value ->> 'event', ''), nullif(value ->> 'decision', ''), nullif(value ->> 'new_quality_score', ''),
    nullif(value ->> 'new_category', ''), nullif(value #>> '{alert_info,alert_type}', ''),
    nullif(value ->> 'alert_type', ''), nullif(value ->> 'status', ''), field
  ), 100));
$$;

-- What a notice says of the account: {"standing"} or {"connection"}, null where nothing is wrong any more. Null for
-- notices that change nothing.
create function private.notice_consequence(kind text, value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select case
    when kind = 'DISABLED_UPDATE' then case upper(coalesce(value #>> '{ban_info,waba_ban_state}', 'DISABLE'))
      when 'DISABLE' then '{"standing": "account_disabled"}'
      when 'REINSTATE' then '{"standing": null}'
    end
    when kind = 'ACCOUNT_RESTRICTION' then case when exists (
      select 1 from jsonb_array_elements(private.json_list(value -> 'restriction_info')) as r
      where r ->> 'restriction_type' ~ 'MESSAGING'
    ) then '{"standing": "account_restricted"}' end
    when kind = 'ACCOUNT_REINSTATED' then '{"standing": null}'
    when kind = 'ACCOUNT_DELETED' then '{"connection": "account_deleted"}'
    when kind in ('PARTNER_REMOVED', 'PARTNER_APP_UNINSTALLED', 'ACCOUNT_OFFBOARDED')
      then '{"connection": "account_disconnected"}'
    when kind in ('PARTNER_ADDED', 'PARTNER_APP_INSTALLED', 'ACCOUNT_RECONNECTED') then '{"connection": null}'
  end::jsonb;
$$;

-- Why a number cannot be used, for people.
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

-- One sentence for people, and how much it matters: {"severity", "en", "id"}.
create function private.notice_summary(field text, kind text, value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  with told as (
    select
      coalesce(value ->> 'message_template_name', '?') || ' (' || coalesce(value ->> 'message_template_language', '?') || ')'
        as template,
      private.notice_consequence(kind, value) as consequence,
      coalesce(private.notice_consequence(kind, value) ->> 'standing',
        private.notice_consequence(kind, value) ->> 'connection') as code,
      (select string_agg(lower(replace(r ->> 'restriction_type', '_', ' ')), ', ')
        from jsonb_array_elements(private.json_list(value -> 'restriction_info')) as r) as restrictions,
      nullif(nullif(value ->> 'reason', 'NONE'), '') as reason,
      private.meta_limit(coalesce(value ->> 'current_limit', value ->> 'max_daily_conversations_per_business',
        value ->> 'max_daily_conversation_per_phone')) as message_limit
  ),
  sentence as (
    select case
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
        'Template ' || t.template || ' is now ' || lower(kind) || coalesce(' (' || t.reason || ')', '') || '.',
        'Template ' || t.template || ' sekarang berstatus ' || lower(kind) || coalesce(' (' || t.reason || ')', '') || '.']
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
        case kind
          when 'FLAGGED' then 'The quality of number ' else 'Meta has changed the limits of number '
        end || coalesce(value ->> 'display_phone_number', '?') || case kind when 'FLAGGED' then ' is low.'
          else ' (' || lower(kind) || coalesce(', ' || t.message_limit, '') || ').' end,
        case kind
          when 'FLAGGED' then 'Kualitas nomor ' else 'Meta mengubah batas nomor '
        end || coalesce(value ->> 'display_phone_number', '?') || case kind when 'FLAGGED' then ' rendah.'
          else ' (' || lower(kind) || coalesce(', ' || t.message_limit, '') || ').' end]
      when field = 'phone_number_name_update' then array[case kind when 'APPROVED' then 'info' else 'warning' end,
        'The display name "' || coalesce(value ->> 'requested_verified_name', '?') || '" is ' || lower(kind) || '.',
        'Nama tampilan "' || coalesce(value ->> 'requested_verified_name', '?') || '" berstatus ' || lower(kind) || '.']
      when field = 'business_capability_update' then array['info',
        'The messaging limit of the business is now ' || coalesce(t.message_limit, '?') || '.',
        'Batas pengiriman pesan bisnis sekarang ' || coalesce(t.message_limit, '?') || '.']
      else array['info', 'Meta reports: ' || lower(replace(kind, '_', ' ')) || '.',
        'Meta melaporkan: ' || lower(replace(kind, '_', ' ')) || '.']
    end as parts
    from told t
  )
  select jsonb_build_object('severity', parts[1], 'en', parts[2], 'id', parts[3]) from sentence;
$$;

-- A ban, a restriction, the loss of the account stop its numbers, and say why in the language of the tenant; the end of
-- it lets them go on as they were.
create function private.follow_account(tenant uuid, account text, consequence jsonb, at timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  perform 1 from public.whatsapp_sessions s
  where s.tenant_id = tenant and s.meta_business_account_id = account order by s.id for update;

  update public.whatsapp_sessions s
  set
    account_standing = case when consequence ? 'standing' then consequence ->> 'standing' else s.account_standing end,
    account_standing_at = case when consequence ? 'standing' then at else s.account_standing_at end,
    account_connection = case when consequence ? 'connection' then consequence ->> 'connection'
      else s.account_connection end,
    account_connection_at = case when consequence ? 'connection' then at else s.account_connection_at end
  where s.tenant_id = tenant and s.meta_business_account_id = account and at >= coalesce(
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
    where o.tenant_id = tenant and o.meta_business_account_id = account
  ) n
  join public.tenants t on t.id = tenant
  where s.id = n.id
    -- what broke for another reason is not mended by this
    and case
      when n.code is null then s.status = 'broken' and s.status_code like 'account\_%'
      -- good news of one kind does not stop a number that a person has connected again in spite of the other
      when coalesce(consequence ->> 'standing', consequence ->> 'connection') is null then s.status = 'broken'
      else s.status in ('connected', 'paused', 'broken')
    end
    and s.status_code is distinct from n.code;
end;
$$;

create function private.follow_number(
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
        -- better than it was; how good, the next look at the number tells
        when 'UNFLAGGED' then 'UNKNOWN' else s.quality_rating end,
      throughput_level = case kind when 'THROUGHPUT_UPGRADE' then 'HIGH' else s.throughput_level end
    where s.id = session and coalesce(s.quality_at, '-infinity') <= at;
  elsif field = 'phone_number_name_update' then
    update public.whatsapp_sessions s
    set
      name_at = at,
      name_status = kind,
      verified_name = case kind when 'APPROVED' then coalesce(value ->> 'requested_verified_name', s.verified_name)
        else s.verified_name end
    where s.id = session and coalesce(s.name_at, '-infinity') <= at;
  end if;

  -- The limit is the portfolio's: it holds for every number of the account. Of two at the same moment the lower one.
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

-- Buttons of the notice in the shape of Meta's API.
create function private.notice_buttons(value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
    'type', b ->> 'message_template_button_type', 'text', b ->> 'message_template_button_text',
    'url', b ->> 'message_template_button_url', 'phone_number', b ->> 'message_template_button_phone_number'
  )))
  from jsonb_array_elements(private.json_list(value -> 'message_template_buttons')) as b;
$$;

-- A template's components with the texts the notice tells put in their places.
create function private.renewed_components(components jsonb, value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  with news as (
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
    -- what was there, such as examples, stays where the notice says nothing of it
    select coalesce(o.component, '{}') || coalesce(n.component, '{}') as component, n.place, o.nth
    from news n
    left join (
      select c as component, nth from jsonb_array_elements(components) with ordinality as e (c, nth)
    ) o on upper(o.component ->> 'type') = n.type
    where coalesce(o.component, n.component) is not null
    union all
    select c, 5, nth from jsonb_array_elements(components) with ordinality as e (c, nth)
    where upper(coalesce(c ->> 'type', '')) not in ('HEADER', 'BODY', 'FOOTER', 'BUTTONS')
  ) m;
$$;

create function private.follow_template(
  tenant uuid, account text, field text, kind text, value jsonb, at timestamptz
) returns void
language plpgsql set search_path = '' as $$
declare
  -- ids exceed what a JSON number holds elsewhere: here they are text from the start
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
          -- a warning; it may still be sent
          when kind = 'FLAGGED' then t.status
          else kind
        end,
        rejected_reason = case when kind = 'REJECTED' then nullif(value ->> 'reason', 'NONE') end,
        status_detail = nullif(concat_ws(': ', value #>> '{other_info,title}',
          coalesce(value #>> '{other_info,description}', value #>> '{rejection_info,reason}',
            value #>> '{disable_info,disable_date}')), ''),
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
      set components = private.renewed_components(t.components, value)
      where t.id = any (found_ids);
    else
      null;
  end case;
end;
$$;

-- Stores one event of another field: {"field", "business_account_id"?, "phone_number_id"?, "timestamp"?, "payload"}.
-- Answers with the reason why it stays in the raw delivery only, or with null. Safe to repeat.
create function private.ingest_event(event jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  field constant text := event ->> 'field';
  account constant text := event ->> 'business_account_id';
  value constant jsonb := event -> 'payload';
  kind constant text := private.notice_kind(field, value);
  at constant timestamptz := private.meta_time(coalesce((event ->> 'timestamp')::bigint,
    case when value ->> 'timestamp' ~ '^[0-9]{1,15}$' then (value ->> 'timestamp')::bigint end));
  summary constant jsonb := private.notice_summary(field, kind, value);
  digits constant text := regexp_replace(coalesce(value ->> 'display_phone_number', ''), '[^0-9]', '', 'g');
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
    perform private.ingest_preferences(session, value);
    return null;
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
        and (s.meta_phone_number_id = event ->> 'phone_number_id'
          or (digits <> '' and regexp_replace(s.display_phone_number, '[^0-9]', '', 'g') = digits)
          -- its only number, which does not know how it is displayed
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
      -- Delivered again: it has been followed.
      continue;
    end if;

    case
      when field = 'account_update' then
        if private.notice_consequence(kind, value) is not null then
          perform private.follow_account(tenant, account, private.notice_consequence(kind, value), at);
        end if;
      when field in ('phone_number_quality_update', 'phone_number_name_update', 'business_capability_update') then
        perform private.follow_number(tenant, account, number, field, kind, value, at);
      when field like '%template%' then
        perform private.follow_template(tenant, account, field, kind, value, at);
      else
        null;
    end case;
  end loop;
  return null;
end;
$$;

revoke execute on function private.meta_limit(text), private.limit_size(text), private.notice_kind(text, jsonb),
  private.notice_consequence(text, jsonb), private.account_sentence(text), private.notice_summary(text, text, jsonb),
  private.follow_account(uuid, text, jsonb, timestamptz),
  private.follow_number(uuid, text, uuid, text, text, jsonb, timestamptz), private.notice_buttons(jsonb),
  private.renewed_components(jsonb, jsonb), private.follow_template(uuid, text, text, text, jsonb, timestamptz),
  private.ingest_event(jsonb)
  from public;
