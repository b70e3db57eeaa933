//! Reads true and false as people and programs write them.

/// The words for true. `t` and `f` are what Postgres exports.
const TRUE: &[&str] = &["true", "t", "yes", "ya", "y", "1", "x", "benar", "on"];
const FALSE: &[&str] = &["false", "f", "no", "tidak", "n", "0", "-", "salah", "off"];

/// The value of a cell or a form field, or none if it is neither true nor false. The SQL function
/// `private.read_field_value` reads the same words.
pub fn read(text: &str) -> Option<bool> {
    let word = text.trim().to_lowercase();
    if TRUE.contains(&word.as_str()) {
        Some(true)
    } else if FALSE.contains(&word.as_str()) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn every_word_has_its_opposite() {
        for word in ["t", "true", "TRUE", "1", "yes", "ya", "Benar", " x "] {
            assert_eq!(read(word), Some(true), "{word}");
        }
        for word in ["f", "false", "0", "no", "Tidak", "salah", "-"] {
            assert_eq!(read(word), Some(false), "{word}");
        }
        for word in ["", "tr", "mungkin", "2"] {
            assert_eq!(read(word), None, "{word}");
        }
    }
}
