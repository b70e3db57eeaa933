-- What holds for all tables, said of those that came after it.

-- Changes are written to the audit log.
select private.audit_table('contact_consents', 'id', 'people');
select private.audit_table('message_media', 'id', 'people');
-- once more, for columns that machines fill
select private.audit_table('conversations', 'id', 'people', '-last_message_at', '-last_message_preview',
  '-last_message_direction', '-last_message_type', '-last_inbound_at', '-window_expires_at', '-unread_count',
  '-read_message_id');
select private.audit_table('whatsapp_sessions', 'id', '-health_checked_at');

-- No client has a right to a table of schema private. That none is meant to stands beside the table as well.
do $$
declare
  hidden text;
begin
  for hidden in
    select c.relname from pg_catalog.pg_class c
    where c.relnamespace = 'private'::regnamespace and c.relkind = 'r'
  loop
    execute format('create policy "nobody" on private.%I to authenticated using (false)', hidden);
  end loop;
end;
$$;
