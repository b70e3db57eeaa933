-- Notices that come in another shape than usual are followed all the same, in whatever order; and they say what they are
-- about.

alter table public.broadcast_templates add column components_at timestamptz;

-- A list, or the one thing that should have been in one.
create function private.json_elements(value jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select case jsonb_typeof(value) when 'array' then value when 'object' then jsonb_build_array(value) else '[]' end;
$$;

create or replace function private.notice_consequence(kind text, value jsonb) returns jsonb
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

create or replace function private.restricted_until(value jsonb, at timestamptz) returns timestamptz
language sql immutable set search_path = '' as $$
  select case when bool_and(coalesce(m.moment > at, false)) then max(m.moment) end
  from jsonb_array_elements(private.json_elements(value -> 'restriction_info')) as r
  cross join lateral private.notice_moment(r ->> 'expiration') as m (moment)
  where r ->> 'restriction_type' ~ 'MESSAGING';
$$;

create or replace function private.notice_summary(field text, kind text, value jsonb) returns jsonb
language sql immutable set search_path = '' as $$
  with told as (
    select
      lower(replace(kind, '_', ' ')) as words,
      -- what it is about, where the word for it does not say so
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
        'The WhatsApp account is connected to this product.', 'Akun WhatsApp terhubung dengan produk ini.']
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
      when field like 'business\_username\_update%' then array['info',
        'The username "' || coalesce(value ->> 'username', '?') || '" of number '
          || coalesce(value ->> 'display_phone_number', '?') || ' is ' || t.words || '.',
        'Nama pengguna "' || coalesce(value ->> 'username', '?') || '" untuk nomor '
          || coalesce(value ->> 'display_phone_number', '?') || ' berstatus ' || t.words || '.']
      else array['info', 'Meta reports: ' || coalesce(t.topic || ', ', '') || t.words || '.',
        'Meta melaporkan: ' || coalesce(t.topic || ', ', '') || t.words || '.']
    end as parts
    from told t
  )
  select jsonb_build_object('severity', parts[1], 'en', parts[2], 'id', parts[3]) from sentence;
$$;

create or replace function private.renewed_components(components jsonb, value jsonb) returns jsonb
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
    select case when o.component ->> 'format' <> n.component ->> 'format' then n.component
      else coalesce(o.component, '{}') || coalesce(n.component, '{}') end as component, n.place, o.nth
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

create or replace function private.follow_template(
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

  -- a notice without its word says nothing of the template
  if kind = upper(field) and field in ('message_template_status_update', 'message_template_quality_update') then
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
          -- a warning; it may still be sent
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

drop function private.ingest_preferences(public.whatsapp_sessions, jsonb);

-- As before. Answers with the reason where a word is nobody's, or with null.
create function private.ingest_preferences(session public.whatsapp_sessions, notice jsonb) returns text
language plpgsql set search_path = '' as $$
declare
  words jsonb;
  reason text;
begin
  select jsonb_agg(jsonb_build_object(
    'tenant_id', session.tenant_id, 'nth', p.nth,
    'wa_id', who.wa_id, 'user_id', who.user_id,
    'profile_name', c.value #>> '{profile,name}', 'username', c.value #>> '{profile,username}',
    'state', case lower(p.value ->> 'value') when 'stop' then 'opted_out' else 'opted_in' end,
    'source', 'meta_preference', 'proof', p.value,
    'occurred_at', t.at, 'at', t.at
  )) into words
  from jsonb_array_elements(private.json_elements(notice -> 'user_preferences')) with ordinality as p (value, nth)
  left join lateral (
    select c.value from jsonb_array_elements(private.json_elements(notice -> 'contacts')) as c
    where c.value ->> 'wa_id' = p.value ->> 'wa_id' or c.value ->> 'user_id' = p.value ->> 'user_id'
    limit 1
  ) c on true
  cross join lateral (
    select private.meta_time(case when p.value ->> 'timestamp' ~ '^[0-9]{1,15}$'
      then (p.value ->> 'timestamp')::bigint end) as at
  ) t
  cross join lateral (
    select
      coalesce(substring(p.value ->> 'wa_id' from '^[+]?([0-9]{1,20})$'), substring(c.value ->> 'wa_id' from '^[0-9]{1,20}$'))
        as wa_id,
      coalesce(substring(p.value ->> 'user_id' from '^.{1,160}$'), substring(c.value ->> 'user_id' from '^.{1,160}$'))
        as user_id
  ) who
  where p.value ->> 'category' = 'marketing_messages' and lower(p.value ->> 'value') in ('stop', 'resume', 'signup');
  -- somebody who cannot be costs nobody else's word
  select jsonb_agg(w) filter (where coalesce(w ->> 'wa_id', w ->> 'user_id') is not null),
    case when bool_or(coalesce(w ->> 'wa_id', w ->> 'user_id') is null) then 'no_sender' end
  into words, reason
  from jsonb_array_elements(words) as w;
  if words is null then
    return reason;
  end if;

  perform private.upsert_contacts(words);
  perform private.record_consents((
    select jsonb_agg(w.value || jsonb_build_object('contact_id', private.find_contact(
      session.tenant_id, w.value ->> 'wa_id', w.value ->> 'user_id', (w.value ->> 'occurred_at')::timestamptz
    )))
    from jsonb_array_elements(words) as w
  ));
  return reason;
end;
$$;

create or replace function private.ingest_event(event jsonb) returns text
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
    return private.ingest_preferences(session, value);
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
          perform private.follow_account(
            tenant, account,
            private.notice_consequence(kind, value) || jsonb_build_object('until', private.restricted_until(value, at)), at
          );
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

revoke execute on function private.json_elements(jsonb), private.ingest_preferences(public.whatsapp_sessions, jsonb) from public;
