//! Reads a protobuf message field by field, without copying and without forgetting fields it does not know.
//!
//! Needed where a signature or a hash covers fields that this version does not know, and where the number of
//! repeated fields must be bounded before memory is spent on them.

/// Bytes that are no protobuf message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotProtobuf;

/// One field as it was received.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Field<'a> {
    /// Its number. Never zero.
    pub(crate) number: u64,
    /// The whole field: tag and content.
    pub(crate) raw: &'a [u8],
    /// The content of a length-delimited field; `None` for numbers.
    pub(crate) payload: Option<&'a [u8]>,
}

/// The fields of a message in the order of their arrival. Ends after the first error.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, NotProtobuf>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let field = read(rest);
        rest = match &field {
            Ok(field) => rest.get(field.raw.len()..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(field)
    })
}

const LARGEST_NUMBER: u64 = (1 << 29) - 1;

fn read(bytes: &[u8]) -> Result<Field<'_>, NotProtobuf> {
    let (tag, rest) = varint(bytes)?;
    let number = tag >> 3;
    if !(1..=LARGEST_NUMBER).contains(&number) {
        return Err(NotProtobuf);
    }
    let (payload, rest) = match tag & 7 {
        0 => (None, varint(rest)?.1),
        1 => (None, rest.get(8..).ok_or(NotProtobuf)?),
        2 => {
            let (length, rest) = varint(rest)?;
            let length = usize::try_from(length).map_err(|_| NotProtobuf)?;
            let (payload, rest) = rest.split_at_checked(length).ok_or(NotProtobuf)?;
            (Some(payload), rest)
        }
        5 => (None, rest.get(4..).ok_or(NotProtobuf)?),
        // Groups were never part of any message of the protocol.
        _ => return Err(NotProtobuf),
    };
    let raw = bytes.get(..bytes.len() - rest.len()).ok_or(NotProtobuf)?;
    Ok(Field { number, raw, payload })
}

fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), NotProtobuf> {
    let mut value = 0;
    let mut rest = bytes;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first().ok_or(NotProtobuf)?;
        rest = tail;
        if shift == 63 && *byte > 1 {
            return Err(NotProtobuf);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value, rest));
        }
    }
    Err(NotProtobuf)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_every_wire_type_are_told_apart_and_malformed_ones_refused() {
        for (name, bytes, expected) in [
            ("nothing", "", Some(vec![])),
            ("a number", "0801", Some(vec![(1, None)])),
            ("a number of ten bytes", "08ffffffffffffffffff01", Some(vec![(1, None)])),
            ("a number of 65 bits", "08ffffffffffffffffff02", None),
            ("a number without end", "08ffffffffffffffffffff01", None),
            ("eight bytes", "310102030405060708", Some(vec![(6, None)])),
            ("seven of eight bytes", "3101020304050607", None),
            ("four bytes", "3501020304", Some(vec![(6, None)])),
            ("bytes and a number", "1202aabb0801", Some(vec![(2, Some(2)), (1, None)])),
            ("bytes cut short", "1203aabb", None),
            ("bytes beyond the address space", "12ffffffffffffffffff01", None),
            ("field zero", "0001", None),
            ("field beyond the largest", "808080801001", None),
            ("a group", "0b0c", None),
            ("wire type six", "0e", None),
        ] {
            let bytes = hex::decode(bytes).unwrap();
            let read: Result<Vec<_>, _> = fields(&bytes).collect();
            let read = read.ok().map(|fields| {
                fields.iter().map(|field| (field.number, field.payload.map(<[u8]>::len))).collect::<Vec<_>>()
            });
            assert_eq!(read, expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_fields_of_any_message_together_are_the_message(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(fields) = fields(&bytes).collect::<Result<Vec<_>, _>>() {
                let together: Vec<u8> = fields.iter().flat_map(|field| field.raw.iter().copied()).collect();
                prop_assert_eq!(together, bytes);
            }
        }
    }
}
