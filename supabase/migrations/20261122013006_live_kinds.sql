-- What clients that were away read of segments and quick replies: each as it is now.
insert into private.live_kinds (kind, reader) values
  ('segment', 'public.get_segment'), ('quick_reply', 'public.get_quick_reply');
