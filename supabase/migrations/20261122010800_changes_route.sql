-- What is caught up with is of every module.
update public.modules set routes = routes || '/api/changes'::text where id = 'core';
