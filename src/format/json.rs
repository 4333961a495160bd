//! JSON objects, walked for the keys that a record needs.
//!
//! In: a line, or objects one after the other. Out: each key with its value, unparsed. Values that nobody asks for are skipped, not
//! built or checked: a line of a log has twenty keys, and the record needs half of them. Texts with escapes are left to sonic-rs, whose
//! own walk over all keys takes several times as long without the instructions of one machine.

use std::borrow::Cow;

use super::fields;

/// Calls `visit` with each key of `object` and its value, in order, until it returns `false`.
///
/// # Errors
/// Why the text is no JSON object, where it is none; keys before the fault have been visited. The reason shows no part of the
/// text, which may be private. Values are not checked, but for where they end.
#[inline]
pub(super) fn walk<'a>(
    object: &'a [u8],
    mut visit: impl FnMut(&str, Value<'a>) -> bool,
) -> Result<(), String> {
    walk_bytes(object, |key, value| {
        visit(std::str::from_utf8(key).unwrap_or_default(), value)
    })
}

/// Calls `visit` with what each key of `object` means and its value, as [`walk`] does.
///
/// # Errors
/// As [`walk`].
#[inline]
pub(super) fn walk_known<'a, T: Copy>(
    object: &'a [u8],
    keys: &mut Keys<T>,
    named: impl Fn(&[u8]) -> T,
    mut visit: impl FnMut(T, Value<'a>) -> bool,
) -> Result<(), String> {
    keys.next = 0;
    let mut at = first_key(object)?;
    while object.get(at) != Some(&b'}') {
        let meaning;
        (meaning, at) = match keys.expected(&object[at..]) {
            Some((meaning, length)) => (meaning, at + length),
            None => {
                let (key, value) = key_at(object, at)?;
                (keys.search(key, &named), value)
            }
        };
        at = after_blanks(object, at);
        let end = value_end(object, at).ok_or_else(broken)?;
        if !visit(meaning, Value(&object[at..end])) {
            return Ok(());
        }
        at = next_key(object, end)?;
    }
    end_of_object(object, at)
}

/// Calls `visit` with each key of `object` as it is written and its value, as [`walk`] does.
#[inline]
fn walk_bytes<'a>(
    object: &'a [u8],
    mut visit: impl FnMut(&[u8], Value<'a>) -> bool,
) -> Result<(), String> {
    let mut at = first_key(object)?;
    while object.get(at) != Some(&b'}') {
        let (key, value) = key_at(object, at)?;
        at = after_blanks(object, value);
        let end = value_end(object, at).ok_or_else(broken)?;
        let value = Value(&object[at..end]);
        let is_wanted = if fields::find(key, 0, b'\\').is_none() {
            visit(&key[1..key.len() - 1], value)
        } else {
            visit(&unescaped(key), value)
        };
        if !is_wanted {
            return Ok(());
        }
        at = next_key(object, end)?;
    }
    end_of_object(object, at)
}

#[cold]
fn broken() -> String {
    "the line is cut or not valid JSON".to_owned()
}

/// Where the first key of an object is, or its closing brace.
#[inline(always)]
fn first_key(object: &[u8]) -> Result<usize, String> {
    let start = after_blanks(object, 0);
    if object.get(start) != Some(&b'{') {
        return Err("the line is not a JSON object".to_owned());
    }
    Ok(after_blanks(object, start + 1))
}

/// The key at `at` with its quotes, and the place behind its colon.
#[inline(always)]
fn key_at(object: &[u8], at: usize) -> Result<(&[u8], usize), String> {
    let end = text_end(object, at).ok_or_else(broken)?;
    let colon = after_blanks(object, end);
    if object.get(colon) != Some(&b':') {
        return Err(broken());
    }
    Ok((&object[at..end], colon + 1))
}

/// Where the key behind a value is that ends at `end`, or the closing brace.
#[inline(always)]
fn next_key(object: &[u8], end: usize) -> Result<usize, String> {
    let at = after_blanks(object, end);
    match object.get(at) {
        Some(b',') => {
            let at = after_blanks(object, at + 1);
            // A comma is followed by a key, not by the end.
            if object.get(at) == Some(&b'"') {
                Ok(at)
            } else {
                Err(broken())
            }
        }
        Some(b'}') => Ok(at),
        _ => Err(broken()),
    }
}

/// Nothing but blanks may follow the closing brace at `at`.
#[inline(always)]
fn end_of_object(object: &[u8], at: usize) -> Result<(), String> {
    if after_blanks(object, at + 1) == object.len() {
        Ok(())
    } else {
        Err(broken())
    }
}

/// The first place from `at` on that is no blank.
#[inline(always)]
fn after_blanks(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = text.get(at) {
        at += 1;
    }
    at
}

/// Behind the closing quote of the text whose opening quote lies at `at`.
#[inline(always)]
fn text_end(text: &[u8], at: usize) -> Option<usize> {
    if text.get(at) != Some(&b'"') {
        return None;
    }
    let end = fields::find(text, at + 1, b'"')?;
    if text[end - 1] != b'\\' {
        return Some(end + 1);
    }
    escaped_text_end(text, at + 1)
}

/// The same where there are escapes, from the first byte within the quotes on.
#[cold]
fn escaped_text_end(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)? + 1;
        if text[at - 1] == b'"' {
            return Some(at);
        }
        at += 1;
    }
}

/// Behind the value that begins at `at`; `None` where it has no end.
#[inline(always)]
fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => text_end(text, at),
        b'{' | b'[' => container_end(text, at),
        _ => {
            let mut end = at;
            while !ENDS_NUMBER[usize::from(*text.get(end)?)] {
                end += 1;
            }
            (end > at).then_some(end)
        }
    }
}

/// Which bytes end a number, `true`, `false` and `null`.
const ENDS_NUMBER: [bool; 256] = {
    let mut ends = [false; 256];
    let bytes = b",}] \t\r\n";
    let mut at = 0;
    while at < bytes.len() {
        ends[bytes[at] as usize] = true;
        at += 1;
    }
    ends
};

/// Behind the object or array that begins at `at`.
fn container_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => {
                at = text_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// What the keys of a log's objects mean, remembered from object to object: they come in the same order in nearly all of them, so that
/// one comparison finds and tells a key.
#[derive(Debug)]
pub(super) struct Keys<T> {
    /// Keys with their quotes and a colon.
    known: Vec<(Vec<u8>, T)>,
    /// The key that is expected next.
    next: usize,
}

impl<T> Default for Keys<T> {
    fn default() -> Self {
        Self {
            known: Vec::new(),
            next: 0,
        }
    }
}

impl<T: Copy> Keys<T> {
    /// Keys beyond this number are not remembered: their names may be made up without end.
    const MAX_KNOWN: usize = 64;

    /// What the key means that `text` begins with, and its length with the colon, where it is the one that is expected.
    #[inline(always)]
    fn expected(&mut self, text: &[u8]) -> Option<(T, usize)> {
        let (known, meaning) = self.known.get(self.next)?;
        if !text.starts_with(known) {
            return None;
        }
        self.next += 1;
        Some((*meaning, known.len()))
    }

    /// What a key means that was not expected, given with its quotes.
    fn search(&mut self, key: &[u8], named: impl Fn(&[u8]) -> T) -> T {
        let place = self
            .known
            .iter()
            .position(|(known, _)| known.strip_suffix(b":") == Some(key));
        if let Some(place) = place
            && let Some((_, meaning)) = self.known.get(place)
        {
            self.next = place + 1;
            return *meaning;
        }
        let is_plain = fields::find(key, 0, b'\\').is_none();
        let meaning = if is_plain {
            named(&key[1..key.len() - 1])
        } else {
            named(&unescaped(key))
        };
        if self.known.len() < Self::MAX_KNOWN {
            self.known.push(([key, b":"].concat(), meaning));
            self.next = self.known.len();
        }
        meaning
    }
}

/// A value as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// Whether it is `null`.
    pub(super) fn is_null(self) -> bool {
        self.0 == b"null"
    }

    /// Whether it is an object.
    pub(super) fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Whether it is a text.
    pub(super) fn is_text(self) -> bool {
        self.0.first() == Some(&b'"')
    }

    /// A text without its quotes and with its escapes as they are written, or a number, `true` and `false`; empty for anything else.
    /// For texts that have no escapes, as addresses.
    #[inline]
    pub(super) fn plain(self) -> &'a [u8] {
        match self.0 {
            [b'"', inner @ .., b'"'] => inner,
            [] | [b'{' | b'[', ..] | b"null" => b"",
            plain => plain,
        }
    }

    /// A text without its quotes and escapes, or a number, `true` and `false` as written; empty for anything else.
    #[inline]
    pub(super) fn text(self) -> Cow<'a, [u8]> {
        match self.0 {
            [b'"', inner @ .., b'"'] => {
                // Texts with an escape are rare, and the only ones that must be built.
                if fields::find(inner, 0, b'\\').is_none() {
                    Cow::Borrowed(inner)
                } else {
                    Cow::Owned(unescaped(self.0))
                }
            }
            [] | [b'{' | b'[', ..] | b"null" => Cow::Borrowed(b""),
            plain => Cow::Borrowed(plain),
        }
    }

    /// A whole number, also one that is written as text (GCP) or with a fraction of zeros.
    #[inline]
    pub(super) fn number(self) -> Option<u64> {
        let text = match self.0 {
            [b'"', inner @ .., b'"'] => inner,
            plain => plain,
        };
        fields::number(text).or_else(|| {
            let us = fields::seconds_us(text)?;
            (us >= 0 && us % 1_000_000 == 0).then_some((us / 1_000_000) as u64)
        })
    }

    /// Calls `visit` with each key of the object that the value is, as [`walk`] does; with none for anything else.
    pub(super) fn walk(self, visit: impl FnMut(&str, Value<'a>) -> bool) {
        // What is broken within an object ends where the object does: the keys before it count.
        let _ = walk(self.0, visit);
    }

    /// The items of the array that the value is; none for anything else.
    pub(super) fn items(self) -> impl Iterator<Item = Value<'a>> {
        let text = self.0;
        let mut at = if text.first() == Some(&b'[') {
            1
        } else {
            text.len()
        };
        std::iter::from_fn(move || {
            at = after_blanks(text, at);
            if text.get(at) == Some(&b',') {
                at = after_blanks(text, at + 1);
            }
            let end = value_end(text, at)?;
            let item = Value(&text[at..end]);
            at = end;
            Some(item)
        })
    }
}

/// A quoted text with escapes; empty where an escape is none of JSON's.
#[cold]
fn unescaped(quoted: &[u8]) -> Vec<u8> {
    match sonic_rs::from_slice::<String>(quoted) {
        Ok(text) => text.into_bytes(),
        Err(_) => Vec::new(),
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
fn object_length(text: &[u8]) -> Option<usize> {
    container_end(text, 0)
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
    fn keys_mean_the_same_in_any_order_and_with_blanks() {
        let mut keys = Keys::default();
        for names in ["abc", "abc", "ac", "cab", "d", "abdc", ""] {
            for joint in [":", " : "] {
                let pairs: Vec<String> = names
                    .chars()
                    .map(|name| format!("\"{name}\"{joint}\"{name}\""))
                    .collect();
                let object = format!("{{{}}}", pairs.join(","));
                let mut seen = 0;
                walk_known(
                    object.as_bytes(),
                    &mut keys,
                    |name| name[0],
                    |meaning, value| {
                        assert_eq!(value.plain(), [meaning], "{object}");
                        seen += 1;
                        true
                    },
                )
                .unwrap();
                assert_eq!(seen, names.len());
            }
        }
        for number in 0..200 {
            let object = format!("{{\"{number}\":1}}");
            walk_known(
                object.as_bytes(),
                &mut keys,
                |name| name[0],
                |meaning, _| {
                    assert_eq!(meaning, object.as_bytes()[2]);
                    true
                },
            )
            .unwrap();
        }
    }

    #[test]
    fn what_is_no_object_from_end_to_end_is_told() {
        for text in [
            "{",
            "{}x",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1",
            "{\"a\":\"x}",
            "{\"a\":[1}",
            "{\"a\":1 2}",
        ] {
            let mut keys = Keys::default();
            assert!(walk(text.as_bytes(), |_, _| true).is_err(), "{text}");
            assert!(
                walk_known(text.as_bytes(), &mut keys, |_| 0, |_, _| true).is_err(),
                "{text}"
            );
        }
        for text in ["{}", " { } ", "{\"a\" : [1, {\"b\": \"]\"}] }\r"] {
            assert!(walk(text.as_bytes(), |_, _| true).is_ok(), "{text}");
        }
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
