//! One entry of the store of the switch.

use crate::marks::mark;
use vis::store::entry;

const UUID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

/// `data` is a key, a line feed, and the value; and a value under a good key.
///
/// # Panics
/// What was read and written is read as something else, or a key that is not this vNIC's is.
pub fn store_entry(data: &[u8]) {
    if let Ok((_, kept)) = entry(UUID, data) {
        let written = serde_json::to_vec(&kept).unwrap_or_default();
        let again = entry(UUID, &written).ok().map(|(_, kept)| kept);
        assert_eq!(again, Some(kept));
        mark("value", "read");
    } else {
        mark("value", "refused");
    }
    let Some(end) = data.iter().position(|&octet| octet == b'\n') else { return };
    let (key, value) = data.split_at(end);
    let Ok(key) = std::str::from_utf8(key) else { return };
    match entry(key, value) {
        Ok((uuid, kept)) => {
            let again = entry(&uuid.to_string(), value).ok();
            assert_eq!(again, Some((uuid, kept)));
            mark("key and value", "read");
        }
        Err(error) => mark("key and value", format_args!("{:?}", error.classify())),
    }
}
