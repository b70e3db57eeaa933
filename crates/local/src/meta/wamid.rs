//! Message ids in Meta's layout. They are opaque to callers and never repeat.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const INBOUND: u8 = 0x12;
const OUTBOUND: u8 = 0x11;

/// The id of a message that a business sends to `contact`.
pub(crate) fn outbound(contact: &str) -> String {
    compose(contact, OUTBOUND)
}

/// The id of a message that a customer sends.
pub(crate) fn inbound(contact: &str) -> String {
    compose(contact, INBOUND)
}

/// Whether [`inbound`] made the id. Such a message can be marked as read even after a restart.
pub(crate) fn is_inbound(wamid: &str) -> bool {
    let Some(bytes) = wamid
        .strip_prefix("wamid.")
        .and_then(|rest| STANDARD.decode(rest).ok())
    else {
        return false;
    };
    let Some(&length) = bytes.get(2) else { return false };
    let direction = 3 + usize::from(length) + 3;
    bytes.len() == direction + 22 && bytes.get(direction) == Some(&INBOUND)
}

fn compose(contact: &str, direction: u8) -> String {
    let contact = contact.as_bytes();
    let contact = &contact[..contact.len().min(64)];
    let mut bytes = Vec::with_capacity(contact.len() + 28);
    bytes.extend_from_slice(&[0x1c, 0x18, u8::try_from(contact.len()).unwrap_or_default()]);
    bytes.extend_from_slice(contact);
    bytes.extend_from_slice(&[0x15, 0x02, 0x00, direction, 0x18, 0x12]);
    // 72 random bits make ids unique, also across restarts, without stored state.
    let random = uuid::Uuid::new_v4().into_bytes();
    for byte in random.iter().take(5).chain(random.iter().skip(12)) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        bytes.push(HEX[usize::from(byte >> 4)]);
        bytes.push(HEX[usize::from(byte & 15)]);
    }
    bytes.push(0);
    let mut wamid = String::with_capacity(6 + bytes.len().div_ceil(3) * 4);
    wamid.push_str("wamid.");
    STANDARD.encode_string(&bytes, &mut wamid);
    wamid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_encode_their_direction() {
        let first = inbound("6281234567890");
        assert!(first.starts_with("wamid.HBgN"), "{first}");
        assert_ne!(first, inbound("6281234567890"));
        assert!(is_inbound(&first));
        assert!(!is_inbound(&outbound("6281234567890")));
        assert!(!is_inbound("wamid.x") && !is_inbound(""));
    }
}
