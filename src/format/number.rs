//! Numbers as logs write them.
//!
//! The correctly rounded `f64` of a decimal text. The common case, few digits and no exponent, is read
//! in one walk over the bytes; everything else goes to `fast-float2`.

/// Reads a number at the front of `bytes` that ends at `end_a`, a line end or the end of `bytes`.
///
/// Returns the number and its length; `None` where the plain walk does not apply, which says nothing
/// about whether the text is a number: ask [`parse`] then.
///
/// Exact after Clinger, "How to Read Floating Point Numbers Accurately" (PLDI 1990): an integer below
/// 2^53 divided by a power of ten up to 10^22, both exact, is rounded once.
#[inline]
pub(crate) fn parse_prefix(bytes: &[u8], end_a: u8) -> Option<(f64, usize)> {
    const EXACT_DIGITS: usize = 15;
    let negative = bytes.first() == Some(&b'-');
    let first = usize::from(negative);
    let mut place = first;
    let mut mantissa = 0u64;
    while let Some(digit) = digit_at(bytes, place) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        place += 1;
    }
    let mut digits = place - first;
    if digits == 0 {
        return None;
    }
    let mut fraction = 0;
    if bytes.get(place) == Some(&b'.') {
        place += 1;
        let start = place;
        while let Some(digit) = digit_at(bytes, place) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            place += 1;
        }
        fraction = place - start;
        digits += fraction;
    }
    let ends = match bytes.get(place) {
        None | Some(b'\n' | b'\r') => true,
        Some(&byte) => byte == end_a,
    };
    if digits > EXACT_DIGITS || !ends {
        return None;
    }
    let magnitude = match fraction {
        0 => mantissa as f64,
        _ => mantissa as f64 / POWERS_OF_TEN[fraction],
    };
    // `-0` is read as `0`: the two are equal, and no result shall depend on which it was.
    let value = if negative { 0.0 - magnitude } else { magnitude };
    Some((value, place))
}

#[inline]
fn digit_at(bytes: &[u8], place: usize) -> Option<u64> {
    let digit = bytes.get(place)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

const POWERS_OF_TEN: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// The finite number that the whole `cell` stands for; `None` for text, `NaN`, infinities, and
/// numbers too large for an `f64`.
pub(crate) fn parse(cell: &[u8]) -> Option<f64> {
    let number: f64 = fast_float2::parse(cell).ok()?;
    number.is_finite().then_some(number + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_numbers_end_at_a_delimiter_or_a_line_end() {
        assert_eq!(parse_prefix(b"251643.0,x", b','), Some((251643.0, 8)));
        assert_eq!(parse_prefix(b"-12\r\n", b','), Some((-12.0, 3)));
        assert_eq!(parse_prefix(b"7", b','), Some((7.0, 1)));
        assert_eq!(parse_prefix(b"0.1\n", b','), Some((0.1, 3)));
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_general_way() {
        for text in [
            "",
            "-",
            ".5",
            "1e5",
            "1 ",
            "x",
            "1,5",
            "12345678901234567",
            "+1",
        ] {
            assert_eq!(parse_prefix(text.as_bytes(), b';'), None, "{text}");
        }
    }

    #[test]
    fn only_finite_numbers_are_numbers() {
        for text in [
            "",
            "NaN",
            "inf",
            "-Infinity",
            "1e400",
            "0x10",
            "1,234",
            "١٢٣",
            "1 2",
            "five",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"1e-320"), Some(1e-320));
        assert_eq!(parse(b"-0").map(f64::to_bits), Some(0));
        assert_eq!(parse(b".5"), Some(0.5));
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_bits(text in "-?[0-9]{1,10}(\\.[0-9]{0,8})?") {
            if let Some((value, length)) = parse_prefix(text.as_bytes(), b',') {
                prop_assert_eq!(length, text.len());
                prop_assert_eq!(Some(value.to_bits()), parse(text.as_bytes()).map(f64::to_bits));
            }
        }
    }
}
