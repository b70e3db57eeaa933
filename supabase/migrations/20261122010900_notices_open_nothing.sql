-- Notices of the platform count as unread, but are no words of the customer: what is pending stays so.
create or replace function private.settle_conversation() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- A customer who writes again opens what waited for them. Resolved and snoozed ones are opened as they write.
  if tg_op = 'UPDATE' and new.status = 'pending' and old.status = 'pending' and new.unread_count > old.unread_count
    and coalesce(new.last_message_type, '') not in ('system', 'request_welcome')
    and coalesce(current_setting('app.keeps_state', true), '') <> 'on'
  then
    new.status := 'open';
  end if;
  if new.status <> 'snoozed' then
    new.snoozed_until := null;
  end if;
  new.waiting_since := case
    when new.last_message_direction is distinct from 'inbound' or new.status = 'resolved' then null
    when new.last_message_type in ('system', 'request_welcome') then new.waiting_since
    else coalesce(new.waiting_since, new.last_message_at)
  end;
  return new;
end;
$$;
