//! JSON objects, walked for the keys that a record needs.
//!
//! In: a line, or objects one after the other. Out: each key with its value, unparsed. Values that nobody asks for are skipped, not
//! built.

use std::borrow::Cow;

use sonic_rs::{JsonValueTrait, LazyValue};

use super::fields;

/// Calls `visit` with each key of `object` and its value, in order, until it returns `false`.
///
/// # Errors
/// Why the text is no JSON object, where it is none; keys before the fault have been visited.
pub(super) fn walk<'a>(
    object: &'a [u8],
    mut visit: impl FnMut(&str, Value<'a>) -> bool,
) -> Result<(), String> {
    if object.trim_ascii_start().first() != Some(&b'{') {
        return Err("the line is not a JSON object".to_owned());
    }
    for pair in sonic_rs::to_object_iter(object) {
        match pair {
            Ok((key, value)) => {
                if !visit(&key, Value(value)) {
                    return Ok(());
                }
            }
            // The library's text shows a part of the line, which may hold what is private.
            Err(_) => return Err("the line is cut or not valid JSON".to_owned()),
        }
    }
    Ok(())
}

/// A value as it is written.
pub(super) struct Value<'a>(LazyValue<'a>);

impl<'a> Value<'a> {
    /// Whether it is `null`.
    pub(super) fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Whether it is an object.
    pub(super) fn is_object(&self) -> bool {
        self.0.is_object()
    }

    /// Whether it is a text.
    pub(super) fn is_text(&self) -> bool {
        self.0.is_str()
    }

    /// The bytes as written, quotes and all.
    pub(super) fn raw(&self) -> Cow<'a, [u8]> {
        match self.0.as_raw_cow() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }

    /// A text without its quotes and escapes, or a number, `true` and `false` as written; empty for anything else.
    pub(super) fn text(&self) -> Cow<'a, [u8]> {
        let raw = self.raw();
        match raw.first() {
            Some(b'"') => match raw {
                // Texts with an escape are rare, and the only ones that must be built.
                Cow::Borrowed(raw) if memchr::memchr(b'\\', raw).is_none() => {
                    Cow::Borrowed(raw.get(1..raw.len() - 1).unwrap_or_default())
                }
                _ => Cow::Owned(self.0.as_str().unwrap_or_default().as_bytes().to_vec()),
            },
            Some(b'{' | b'[' | b'n') | None => Cow::Borrowed(b""),
            Some(_) => raw,
        }
    }

    /// A whole number, also one that is written as text (GCP) or with a fraction of zeros.
    pub(super) fn number(&self) -> Option<u64> {
        let text = self.text();
        fields::number(&text).or_else(|| {
            let us = fields::seconds_us(&text)?;
            (us >= 0 && us % 1_000_000 == 0).then_some((us / 1_000_000) as u64)
        })
    }

    /// Calls `visit` with each key of the object that the value is, as [`walk`] does; with none for anything else.
    pub(super) fn walk(self, mut visit: impl FnMut(&str, Value<'a>) -> bool) {
        for (key, value) in self.0.into_object_iter().into_iter().flatten().flatten() {
            if !visit(&key, Value(value)) {
                return;
            }
        }
    }

    /// The items of the array that the value is; none for anything else.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'a>> {
        let items = self.0.into_array_iter().into_iter().flatten().flatten();
        items.map(Value)
    }
}

/// The objects of `block` one after the other, with their offsets: blanks, commas and the brackets of an array between them
/// do not matter. Bytes that belong to no object are skipped up to the next line that begins with `{`.
pub(super) fn objects(block: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(byte) = block.get(at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']' => at += 1,
                b'{' => {
                    let offset = at;
                    let length = object_length(&block[at..]).unwrap_or(block.len() - at);
                    at += length;
                    return Some((offset, &block[offset..at]));
                }
                _ => {
                    let offset = at;
                    let length =
                        memchr::memchr(b'\n', &block[at..]).map_or(block.len() - at, |end| end + 1);
                    at += length;
                    return Some((offset, &block[offset..at]));
                }
            }
        }
        None
    })
}

/// How many bytes at the front of `block`, which begins between two objects, are whole objects; `None` where none ends in it.
pub(super) fn cut(block: &[u8]) -> Option<usize> {
    let mut end = None;
    let mut at = 0;
    // What lies between objects is short: brackets, commas, blanks. Noise is left to `objects`.
    while let Some(start) = block
        .get(at..)
        .and_then(|rest| memchr::memchr2(b'{', b'\n', rest))
    {
        if block[at + start] == b'\n' {
            at += start + 1;
            continue;
        }
        let Some(length) = object_length(&block[at + start..]) else {
            break;
        };
        at += start + length;
        end = Some(at);
    }
    end
}

/// Bytes of the object that `text` begins with, up to its closing brace; `None` where it does not end.
pub(super) fn object_length(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(found) = text
        .get(at..)
        .and_then(|rest| memchr::memchr3(b'"', b'{', b'}', rest))
    {
        at += found + 1;
        match text[at - 1] {
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => loop {
                at += memchr::memchr2(b'"', b'\\', text.get(at..)?)? + 1;
                if text[at - 1] == b'"' {
                    break;
                }
                at += 1;
            },
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_given_as_written_and_nested_objects_are_walked() {
        let mut seen = Vec::new();
        let line = br#" {"a": 1.50, "b": "x\ty", "c": {"d": "7"}, "e": null, "f": [1]} "#;
        walk(line, |key, value| {
            seen.push((key.to_owned(), value.text().into_owned(), value.number()));
            value.walk(|key, value| {
                seen.push((
                    format!("c.{key}"),
                    value.text().into_owned(),
                    value.number(),
                ));
                true
            });
            true
        })
        .unwrap();
        let row = |key: &str, text: &[u8], number| (key.to_owned(), text.to_vec(), number);
        assert_eq!(
            seen,
            [
                row("a", b"1.50", None),
                row("b", b"x\ty", None),
                row("c", b"", None),
                row("c.d", b"7", Some(7)),
                row("e", b"", None),
                row("f", b"", None),
            ]
        );
    }

    #[test]
    fn a_block_is_cut_behind_its_last_whole_object() {
        assert_eq!(cut(b"[{\"a\":1},\n{\"b\":{}}, {\"c\""), Some(18));
        assert_eq!(cut(b"[{\"a\":"), None);
        assert_eq!(cut(b"[\n]"), None);
    }

    #[test]
    fn an_array_is_a_row_of_values() {
        let mut seen = Vec::new();
        walk(br#"{"a": [1, "x", {}], "b": 2}"#, |_, value| {
            seen.push(
                value
                    .items()
                    .map(|item| item.text().into_owned())
                    .collect::<Vec<_>>(),
            );
            true
        })
        .unwrap();
        assert_eq!(
            seen,
            [vec![b"1".to_vec(), b"x".to_vec(), Vec::new()], Vec::new()]
        );
    }

    #[test]
    fn a_cut_object_is_told_and_its_text_is_not_shown() {
        let reason = walk(br#"{"a": 1, "secret"#, |_, _| true).unwrap_err();
        assert!(!reason.contains("secret"), "{reason}");
        assert!(walk(b"[1]", |_, _| true).is_err());
        assert!(walk(b"", |_, _| true).is_err());
    }

    #[test]
    fn objects_of_an_array_and_of_lines_are_the_same() {
        let texts = |block: &'static [u8]| -> Vec<&[u8]> {
            objects(block).map(|(_, object)| object).collect()
        };
        let expected: [&[u8]; 2] = [br#"{"a":"}"}"#, br#"{"b":{"c":"\"{"}}"#];
        assert_eq!(
            texts(b"[\n{\"a\":\"}\"},\n{\"b\":{\"c\":\"\\\"{\"}}\n]\n"),
            expected
        );
        assert_eq!(texts(b"{\"a\":\"}\"}\n{\"b\":{\"c\":\"\\\"{\"}}"), expected);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_walked_without_a_panic(text in proptest::collection::vec(any::<u8>(), 0..60), cut in 0_usize..60) {
            let _ = walk(&text, |_, value| value.text().len() < 10);
            let mut object = br#"{"a":{"b":[1,"x"]},"c":"\u00e9\\","d":-1e5}"#.to_vec();
            object.truncate(cut);
            let _ = walk(&object, |_, value| {
                let _ = (value.text(), value.number(), value.is_null());
                true
            });
            let total: usize = objects(&text).map(|(_, object)| object.len()).sum();
            prop_assert!(total <= text.len());
        }
    }
}
