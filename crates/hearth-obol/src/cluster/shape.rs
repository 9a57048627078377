//! Shapes that a JSON text must have before anything looks at its content: objects that are objects, and lists that
//! end.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::read::ParseError;
use super::{MAX_FILE_BYTES, MAX_NESTING, MAX_OPERATORS, MAX_VALUES};

/// Reads a text within [`MAX_FILE_BYTES`], [`MAX_NESTING`] and [`MAX_VALUES`].
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ParseError> {
    if json.len() > MAX_FILE_BYTES {
        return Err(ParseError::TooLarge { bytes: json.len() });
    }
    check_structure(json)?;
    serde_json::from_slice(json).map_err(|error| {
        let text = error.to_string();
        // The position is told separately.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        ParseError::Json {
            line: error.line(),
            column: error.column(),
            // A wrong value is repeated in the message, and may be as long as the file.
            message: message.chars().take(200).collect(),
        }
    })
}

/// Bounds what reading may cost before it begins: an entry of two characters can take a hundred bytes in memory. Says
/// nothing about texts that are no JSON.
fn check_structure(json: &[u8]) -> Result<(), ParseError> {
    let (mut depth, mut values, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => (depth, values) = (depth + 1, values + 1),
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            b',' if !in_text => values += 1,
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(ParseError::TooDeep);
        }
        if values > MAX_VALUES {
            return Err(ParseError::TooMany);
        }
    }
    Ok(())
}

/// An object. A bare structure would also be read from a list of its values.
#[derive(Default)]
pub(super) struct Object<T>(pub(super) T);

/// Texts that stand for bytes; `null` is an empty one.
pub(super) type Texts = Bounded<Option<String>, MAX_OPERATORS>;

/// A list that is refused as soon as it grows beyond its bound.
pub(super) struct Bounded<T, const MOST: usize>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys(PhantomData))
    }
}

struct Keys<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Keys<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for Bounded<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Entries(PhantomData))
    }
}

struct Entries<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Entries<T, MOST> {
    type Value = Bounded<T, MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == MOST {
                return Err(A::Error::custom(format_args!("a list of more than {MOST} entries")));
            }
            entries.push(entry);
        }
        Ok(Bounded(entries))
    }
}
