//! Supabase from the server: PostgREST calls and the verification of Auth tokens.
