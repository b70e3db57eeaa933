//! Phone numbers as people type them, with their country code.

use crm_core::text::Text;

/// A phone number as WhatsApp writes it: digits with the country code.
pub fn normalise_phone(number: &str) -> Result<String, Text> {
    let mut digits = String::with_capacity(15);
    for character in number.trim().chars() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if digits.is_empty() => {}
            ' ' | '\u{a0}' | '-' | '\u{2010}'..='\u{2015}' | '.' | '(' | ')' => {}
            _ => {
                return Err(Text::new(
                    "is not a phone number: only digits, `+`, spaces and dashes may occur",
                    "bukan nomor telepon: hanya boleh berisi angka, `+`, spasi, dan tanda hubung",
                ));
            }
        }
    }
    if digits.starts_with('0') {
        return Err(Text::new(
            "must begin with the country code, for example 62 instead of 0",
            "harus diawali kode negara, misalnya 62 sebagai ganti 0",
        ));
    }
    if !(8..=15).contains(&digits.len()) {
        return Err(Text::new(
            "must have 8 to 15 digits",
            "harus terdiri dari 8 sampai 15 angka",
        ));
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for written in [
            "+62 812-3456-7890",
            "6281234567890",
            "(62) 812.3456.7890",
            " 62\u{a0}81234567890 ",
        ] {
            assert_eq!(normalise_phone(written).unwrap(), "6281234567890", "{written}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for written in [
            "",
            "0812345678",
            "62812x345",
            "1234567",
            "1234567890123456",
            "62+812345678",
        ] {
            assert!(normalise_phone(written).is_err(), "{written}");
        }
    }
}
