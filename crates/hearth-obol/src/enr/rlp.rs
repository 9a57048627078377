//! The little of RLP that node records need.
//!
//! Reads leniently: lengths need not be minimal, and an inner list counts as the bytes of its content.
//! Source: Ethereum Yellow Paper, appendix B.

/// One element of a list.
pub(super) struct Item<'a> {
    /// Its content.
    pub(super) payload: &'a [u8],
    /// Bytes it takes in the list, header included.
    pub(super) encoded_bytes: usize,
}

/// The content of a list that takes up all of `bytes`.
pub(super) fn whole_list(bytes: &[u8]) -> Option<&[u8]> {
    let (header, length) = header(bytes)?;
    let content = bytes.get(header..)?;
    (bytes.first()? >= &0xc0 && content.len() == length).then_some(content)
}

/// The elements of a list with this content.
pub(super) fn items(mut content: &[u8]) -> Option<Vec<Item<'_>>> {
    let mut items = Vec::new();
    while !content.is_empty() {
        let (header, length) = header(content)?;
        let encoded_bytes = header.checked_add(length)?;
        items.push(Item { payload: content.get(header..encoded_bytes)?, encoded_bytes });
        content = content.get(encoded_bytes..)?;
    }
    Some(items)
}

/// A byte string in RLP.
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [one @ ..0x80] => vec![*one],
        _ => with_header(0x80, bytes),
    }
}

/// A list in RLP, from elements that are in RLP already.
pub(super) fn list(content: &[u8]) -> Vec<u8> {
    with_header(0xc0, content)
}

fn with_header(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut encoded = match u8::try_from(length) {
        Ok(short @ ..=55) => vec![kind + short],
        _ => {
            let digits = length.to_be_bytes();
            let digits = digits.get(length.leading_zeros() as usize / 8..).unwrap_or_default();
            let mut header = vec![kind + 55 + digits.len() as u8];
            header.extend_from_slice(digits);
            header
        }
    };
    encoded.extend_from_slice(content);
    encoded
}

/// Length of the header at the start of `bytes`, and of the content that follows it.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let (first, rest) = bytes.split_first()?;
    match first {
        ..0x80 => Some((0, 1)),
        0x80..=0xb7 => Some((1, usize::from(first - 0x80))),
        0xb8..=0xbf => long(usize::from(first - 0xb7), rest),
        0xc0..=0xf7 => Some((1, usize::from(first - 0xc0))),
        0xf8..=0xff => long(usize::from(first - 0xf7), rest),
    }
}

fn long(digits: usize, rest: &[u8]) -> Option<(usize, usize)> {
    let length = rest
        .get(..digits)?
        .iter()
        .try_fold(0_usize, |length, digit| length.checked_mul(256)?.checked_add(usize::from(*digit)))?;
    Some((1 + digits, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_lists_encode_as_in_the_yellow_paper_and_read_back() {
        let long = vec![0xaa; 1024];
        for (bytes, encoded) in [
            (&b"dog"[..], vec![0x83, b'd', b'o', b'g']),
            (b"", vec![0x80]),
            (&[0x00], vec![0x00]),
            (&[0x7f], vec![0x7f]),
            (&[0x80], vec![0x81, 0x80]),
            (&long, [&[0xb9, 0x04, 0x00][..], &long].concat()),
            (&[1; 56], [&[0xb8, 56][..], &[1; 56]].concat()),
            (&[1; 55], [&[0xb7][..], &[1; 55]].concat()),
        ] {
            assert_eq!(string(bytes), encoded);
            let items = items(&encoded).unwrap();
            assert_eq!(items.len(), 1);
            assert_eq!((items[0].payload, items[0].encoded_bytes), (bytes, encoded.len()));
        }
        assert_eq!(list(&[string(b"cat"), string(b"dog")].concat()), b"\xc8\x83cat\x83dog");
        assert_eq!(list(b""), [0xc0]);
        assert_eq!(whole_list(&list(&[7; 300])), Some(&[7; 300][..]));
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        for bytes in
            [&[0x83, 1, 2][..], &[0xb8], &[0xbf, 255, 255, 255, 255, 255, 255, 255, 255, 1], &[0xb9, 1]]
        {
            assert!(items(bytes).is_none(), "{bytes:?}");
        }
        for bytes in [&[][..], &[0x80], &[0xc1], &[0xc0, 0], &[0xff, 255, 255, 255, 255, 255, 255, 255, 255]] {
            assert!(whole_list(bytes).is_none(), "{bytes:?}");
        }
    }
}
