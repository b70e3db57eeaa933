//! Files that Meta and browsers fetch by their address: samples of templates, and files of quick replies.

/// The bucket of these files, which everyone with an address may read. Only our functions write there.
pub const BUCKET: &str = "broadcast-media";

/// The address of a file of [`BUCKET`].
pub fn public_url(supabase_url: &str, path: &str) -> Option<url::Url> {
    let mut url = url::Url::parse(supabase_url).ok()?;
    url.path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend(["storage", "v1", "object", "public", BUCKET])
        .extend(path.split('/'));
    Some(url)
}
