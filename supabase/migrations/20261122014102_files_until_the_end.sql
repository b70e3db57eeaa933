-- How fetching a file went. It is tried for as long as Meta keeps it, and given up when the next attempt would be too late.
create or replace function public.finish_media(
  media_id uuid, outcome text, storage_path text default null, file_size bigint default null,
  sha256 text default null, mime_type text default null, problem text default null
) returns void
language sql set search_path = '' as $$
  update public.message_media f
  set
    state = case
      when outcome = 'stored' then 'stored'
      when outcome = 'gone' then 'gone'
      when f.next_attempt_at >= f.expires_at then 'failed'
      else f.state
    end,
    storage_path = case when outcome = 'stored' then finish_media.storage_path end,
    file_size = coalesce(finish_media.file_size, f.file_size),
    sha256 = coalesce(finish_media.sha256, f.sha256),
    mime_type = coalesce(finish_media.mime_type, f.mime_type),
    last_error = problem
  where f.id = finish_media.media_id and f.state = 'pending';
$$;
