//! The known name that is nearest to an unknown one.

/// The known name that was probably meant, if one is near: the same letters in another writing (`scheduledAt`), or a few
/// letters apart (`recipients_list_id`).
pub(super) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let meant = letters(unknown);
    let allowed = (meant.len() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| (distance(&meant, &letters(name)), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The letters and digits of a name, in lowercase and at most 60: a name can be as long as a body.
fn letters(name: &str) -> Vec<char> {
    name.chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .take(60)
        .collect()
}

/// How many letters must be added, removed or replaced to make one word of the other.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.iter().enumerate() {
        let mut diagonal = place;
        let mut left = place + 1;
        for (above, other_letter) in row[1..].iter_mut().zip(other) {
            let replaced = diagonal + usize::from(letter != other_letter);
            diagonal = *above;
            left = replaced.min(left + 1).min(*above + 1);
            *above = left;
        }
        row[0] = place + 1;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_name_that_was_meant_is_found() {
        let known = ["name", "draft", "scheduled_at", "recipient_list_id", "segment_id"];
        for (unknown, meant) in [
            ("scheduledAt", Some("scheduled_at")),
            ("schedule_at", Some("scheduled_at")),
            ("Draft", Some("draft")),
            ("recipients_list_id", Some("recipient_list_id")),
            ("nmae", None),
            ("names", Some("name")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(unknown, known), meant, "{unknown}");
        }
    }
}
