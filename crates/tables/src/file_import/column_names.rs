//! Common names of columns in tables of people, in Indonesian and English.

/// Names of the column with the phone number, the most reliable first. `no` alone is missing because it often numbers
/// the rows.
pub const PHONE_NAMES: &[&str] = &[
    "phone number",
    "nomor whatsapp",
    "no whatsapp",
    "whatsapp number",
    "nomor wa",
    "no wa",
    "wa number",
    "wa id",
    "whatsapp",
    "wa",
    "nomor hp",
    "no hp",
    "nohp",
    "nomor handphone",
    "no handphone",
    "handphone",
    "hp",
    "mobile number",
    "mobile phone",
    "mobile no",
    "mobile",
    "nomor telepon",
    "no telepon",
    "nomor telpon",
    "no telpon",
    "nomor telp",
    "no telp",
    "notelp",
    "telepon",
    "telpon",
    "telp",
    "nomor ponsel",
    "no ponsel",
    "ponsel",
    "phone no",
    "phone",
    "phones",
    "cell phone",
    "cellphone",
    "cell",
    "telephone",
    "tel",
    "msisdn",
    "contact number",
    "nomor kontak",
    "no kontak",
    "nomor tujuan",
    "nomor penerima",
    "nomor",
    "number",
];
/// Names of the column with the name, the most reliable first.
pub const NAME_NAMES: &[&str] = &[
    "contacts name",
    "contact name",
    "nama kontak",
    "nama lengkap",
    "full name",
    "nama penerima",
    "recipient name",
    "nama pelanggan",
    "customer name",
    "name",
    "nama",
    "nama depan",
    "first name",
    "kontak",
    "contact",
    "pelanggan",
    "customer",
    "penerima",
];

/// A column's name in a form that ignores differences in spelling.
pub fn comparable(header: &str) -> String {
    let letters: String = header
        .chars()
        .map(|character| {
            if character.is_alphanumeric() {
                character
            } else {
                ' '
            }
        })
        .flat_map(char::to_lowercase)
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}
