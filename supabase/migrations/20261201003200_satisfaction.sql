-- Satisfaction: the question that customers get after a conversation, and their answers.

-- The satisfaction of customers. A row is a question, and `score` is its answer.
create table public.csat_responses (
  id uuid primary key default gen_random_uuid(),
  tenant_id uuid not null references public.tenants (id) on delete cascade,
  session_id uuid not null,
  conversation_id uuid not null,
  -- the question
  message_id uuid references public.messages (id) on delete set null,
  -- the person responsible when the conversation was resolved: its assignee, or the person who resolved it
  agent_id uuid,
  resolved_by uuid,
  score smallint check (score between 1 and 5),
  -- when the customer answered; the latest answer counts
  answered_at timestamptz,
  created_at timestamptz not null default now(),
  check ((score is null) = (answered_at is null)),
  foreign key (session_id, tenant_id) references public.whatsapp_sessions (id, tenant_id) on delete cascade,
  foreign key (conversation_id, tenant_id) references public.conversations (id, tenant_id) on delete cascade,
  foreign key (agent_id, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (agent_id),
  foreign key (resolved_by, tenant_id) references public.profiles (user_id, tenant_id) on delete set null (resolved_by)
);
create index csat_responses_tenant_idx on public.csat_responses (tenant_id, created_at desc, id desc);
create index csat_responses_conversation_idx on public.csat_responses (conversation_id, tenant_id, created_at desc);
create index csat_responses_session_idx on public.csat_responses (session_id, tenant_id);
create index csat_responses_agent_idx on public.csat_responses (agent_id, tenant_id) where agent_id is not null;
create index csat_responses_resolved_by_idx on public.csat_responses (resolved_by, tenant_id) where resolved_by is not null;
create index csat_responses_message_idx on public.csat_responses (message_id) where message_id is not null;

-- Whether a message answers one of our satisfaction questions.
create function private.answers_satisfaction_question(m public.messages) returns boolean
language sql immutable set search_path = '' as $$
  select coalesce(m.direction = 'inbound' and m.type = 'interactive'
    and m.payload #>> '{interactive,list_reply,id}' ~ '^csat:[0-9a-f-]{36}:[1-5]$', false);
$$;

-- Queues the satisfaction question after a person has resolved a conversation, while the window is open. Automatic
-- resolutions trigger no question.
create function private.queue_satisfaction_question(conversation public.conversations) returns void
language plpgsql set search_path = '' as $$
declare
  person constant uuid := private.person_id();
  settings record;
  contact public.contacts;
  question public.csat_responses;
  words text;
begin
  if person is null or coalesce(conversation.window_expires_at, '-infinity') <= now() then
    return;
  end if;
  select * into settings from private.number_settings(conversation.session_id, conversation.tenant_id);
  select c.* into strict contact from public.contacts c where c.id = conversation.contact_id;
  if coalesce((settings.csat ->> 'enabled')::boolean, false) is false or contact.blocked_at is not null
    or not exists (select 1 from public.whatsapp_sessions s where s.id = conversation.session_id and s.status = 'connected')
    or exists (
      select 1 from public.csat_responses r
      where r.conversation_id = conversation.id and r.tenant_id = conversation.tenant_id
        and r.created_at > now() - make_interval(days => coalesce((settings.csat ->> 'not_again_days')::integer, 7))
    )
  then
    return;
  end if;

  insert into public.csat_responses (tenant_id, session_id, conversation_id, agent_id, resolved_by)
  values (
    conversation.tenant_id, conversation.session_id, conversation.id, coalesce(conversation.assigned_to, person), person
  )
  returning * into question;
  words := left((private.fill_text(
    coalesce(nullif(settings.csat ->> 'text', ''), private.default_text('csat', settings.locale)),
    contact, null, settings.tenant_name
  )).filled, 1024);
  question.message_id := private.queue_automatic_message(conversation, 'csat', 'interactive', words, jsonb_build_object('interactive',
    jsonb_build_object(
      'type', 'list', 'body', jsonb_build_object('text', words),
      'action', jsonb_build_object(
        'button', case settings.locale when 'id' then 'Beri nilai' else 'Rate us' end,
        'sections', jsonb_build_array(jsonb_build_object(
          'title', case settings.locale when 'id' then 'Nilai' else 'Rating' end,
          'rows', (
            select jsonb_agg(jsonb_build_object(
              'id', format('csat:%s:%s', question.id, s.score), 'title', repeat('⭐', s.score),
              'description', case settings.locale when 'id' then s.id else s.en end
            ) order by s.score desc)
            from (values
              (5, 'Sangat puas', 'Very satisfied'), (4, 'Puas', 'Satisfied'), (3, 'Cukup', 'Neutral'),
              (2, 'Tidak puas', 'Dissatisfied'), (1, 'Sangat tidak puas', 'Very dissatisfied')
            ) s (score, id, en)
          )
        ))
      )
    )
  ));
  update public.csat_responses r set message_id = question.message_id where r.id = question.id;
end;
$$;

-- Records customers' scores, by the ids that our question gave its options. An id from another conversation's question
-- is ignored.
create function private.record_satisfaction_scores(created uuid[]) returns void
language sql set search_path = '' as $$
  update public.csat_responses r
  set score = a.score, answered_at = a.occurred_at
  from (
    select distinct on (m.question) m.* from (
      select
        split_part(n.payload #>> '{interactive,list_reply,id}', ':', 2)::uuid as question,
        split_part(n.payload #>> '{interactive,list_reply,id}', ':', 3)::smallint as score,
        n.conversation_id, n.occurred_at, n.created_at
      from public.messages n
      where n.id = any (created) and n.direction = 'inbound' and n.type = 'interactive' and not n.metadata ? 'source'
        and n.payload #>> '{interactive,list_reply,id}'
          ~ '^csat:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[1-5]$'
    ) m
    order by m.question, m.occurred_at desc, m.created_at desc
  ) a
  where r.id = a.question and r.conversation_id = a.conversation_id
    and a.occurred_at >= coalesce(r.answered_at, '-infinity');
$$;

-- Whether the messages that this transaction stored for the conversation are only a satisfaction score. Such an answer
-- neither reopens the conversation nor marks it as unread. The transaction's messages are identified by `created_at`,
-- because Meta reports whole seconds.
create function private.contains_only_score(conversation uuid, tenant uuid) returns boolean
language plpgsql stable set search_path = '' as $$
declare
  asked constant timestamptz := (
    select r.created_at from public.csat_responses r
    where r.conversation_id = conversation and r.tenant_id = tenant
    order by r.created_at desc
    limit 1
  );
begin
  return asked is not null and coalesce((
    select bool_or(private.answers_satisfaction_question(m)) and not bool_or(private.needs_answer(m))
    from public.messages m
    where m.conversation_id = conversation and m.tenant_id = tenant and m.created_at >= now()
      and m.occurred_at >= asked - interval '1 minute'
  ), false);
end;
$$;

-- The satisfaction of customers who were asked in a period: in total, by agent, by number and by day of the tenant,
-- with one page of the answers, the newest first. `after` is the `next_cursor` of the previous page.
-- Security definer: a caller with `reports.view` need not be able to read messages and people.
create function public.csat_report(
  asked_from timestamptz, asked_until timestamptz, session_filter uuid default null, agent_filter uuid default null,
  after uuid default null, page_size integer default 50
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  tenant constant uuid := private.tenant_id();
  cursor_at timestamptz := 'infinity';
  answer jsonb;
begin
  perform private.require('reports.view');
  if after is not null then
    select r.created_at into cursor_at from public.csat_responses r where r.id = after and r.tenant_id = tenant;
    if not found then
      raise sqlstate 'PT422' using message = 'There is no such answer.', detail = 'invalid_field', hint = 'after';
    end if;
  end if;
  with asked as materialized (
    select r.* from public.csat_responses r
    left join public.messages m on m.id = r.message_id
    where r.tenant_id = tenant and r.created_at >= asked_from and r.created_at < asked_until
      and (session_filter is null or r.session_id = session_filter)
      and (agent_filter is null or r.agent_id = agent_filter)
      and m.status is distinct from 'failed'
  ),
  page as (
    select a.*, row_number() over (order by a.created_at desc, a.id desc) as nth
    from asked a
    where a.score is not null and (after is null or (a.created_at, a.id) < (cursor_at, after))
    order by a.created_at desc, a.id desc
    limit csat_report.page_size + 1
  )
  select jsonb_build_object(
    'summary', (
      select jsonb_build_object(
        'asked', count(*), 'answered', count(a.score), 'average', round(avg(a.score), 2),
        'scores', (
          select jsonb_object_agg(n::text, (select count(*) from asked s where s.score = n)) from generate_series(1, 5) n
        )
      )
      from asked a
    ),
    'agents', coalesce((
      select jsonb_agg(jsonb_build_object(
        'agent_id', g.agent_id, 'name', p.display_name, 'asked', g.asked, 'answered', g.answered, 'average', g.average
      ) order by g.average desc nulls last, g.agent_id)
      from (
        select a.agent_id, count(*) as asked, count(a.score) as answered, round(avg(a.score), 2) as average
        from asked a group by 1
      ) g
      left join public.profiles p on p.user_id = g.agent_id and p.tenant_id = tenant
    ), '[]'),
    'numbers', coalesce((
      select jsonb_agg(jsonb_build_object(
        'session_id', g.session_id, 'asked', g.asked, 'answered', g.answered, 'average', g.average
      ) order by g.average desc nulls last, g.session_id)
      from (
        select a.session_id, count(*) as asked, count(a.score) as answered, round(avg(a.score), 2) as average
        from asked a group by 1
      ) g
    ), '[]'),
    'days', coalesce((
      select jsonb_agg(jsonb_build_object(
        'date', g.day, 'asked', g.asked, 'answered', g.answered, 'average', g.average
      ) order by g.day)
      from (
        select (a.created_at at time zone t.timezone)::date as day, count(*) as asked, count(a.score) as answered,
          round(avg(a.score), 2) as average
        from asked a join public.tenants t on t.id = tenant group by 1
      ) g
    ), '[]'),
    'next_cursor', (select p.id from page p where p.nth = csat_report.page_size and exists (
      select 1 from page o where o.nth > csat_report.page_size
    )),
    'rows', coalesce((
      select jsonb_agg(jsonb_build_object(
        'id', p.id, 'conversation_id', p.conversation_id, 'session_id', p.session_id, 'agent_id', p.agent_id,
        'resolved_by', p.resolved_by, 'score', p.score, 'asked_at', p.created_at, 'answered_at', p.answered_at
      ) order by p.nth)
      from page p where p.nth <= csat_report.page_size
    ), '[]')
  ) into answer;
  return answer;
end;
$$;

-- Security definer: it also runs when Auth removes an account, and the role of Auth has no rights here.
create function private.announce_satisfaction() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.record_and_broadcast(
    new.tenant_id, 'reports', null, 'csat.' || case tg_op when 'INSERT' then 'created' else 'updated' end,
    jsonb_build_object('id', new.id, 'conversation_id', new.conversation_id, 'agent_id', new.agent_id, 'score', new.score)
  );
  return null;
end;
$$;

create function private.live_satisfaction(id uuid) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('id', r.id, 'conversation_id', r.conversation_id, 'agent_id', r.agent_id, 'score', r.score)
  from public.csat_responses r where r.id = live_satisfaction.id;
$$;

create trigger announce_created after insert on public.csat_responses
  for each row execute function private.announce_satisfaction();
create trigger announce_updated after update on public.csat_responses
  for each row when (old.score is distinct from new.score)
  execute function private.announce_satisfaction();

-- Changes are written to the audit log.
select private.audit_table('csat_responses', 'id', 'people');

alter table public.csat_responses enable row level security;

create policy "permitted people read how satisfied customers were" on public.csat_responses
  for select to authenticated
  using (tenant_id = (select private.tenant_id()) and (select private.has_permission('reports.view')));

grant select on public.csat_responses to authenticated;

grant execute on function
  public.csat_report(timestamptz, timestamptz, uuid, uuid, uuid, integer),
  private.live_satisfaction(uuid)
to authenticated;
