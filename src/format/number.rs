//! Numbers as logs write them.
//!
//! The correctly rounded `f64` of a decimal text. The common case, few digits and no exponent, is read
//! in one walk over the bytes; everything else goes to `fast-float2`.

use crate::support::error::quoted;

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

/// How the numbers of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberStyle {
    /// With a decimal point and nothing else: `1008482.5`.
    Plain,
    /// With a separator between groups of three digits and a decimal point: `1,008,482.5`, `1 008 482`.
    Grouped(u8),
    /// With a decimal comma, and perhaps points or blanks between groups: `1.008.482,5`.
    DecimalComma,
}

/// Cells with a unit that show that a whole column has them.
const MIN_UNIT_CELLS: usize = 10;
/// Separators of groups of digits, beside the comma.
const GROUP_SEPARATORS: [u8; 3] = [b' ', b'\'', b'_'];

impl NumberStyle {
    /// Recognises how the numbers of a column are written, from cells that are not empty. Where plain numbers are the most,
    /// it is plain: other cells are then dropped one by one.
    ///
    /// `decimal_comma` is what the user said of commas.
    ///
    /// # Errors
    /// The text of an error where a comma can be both, or where numbers have units.
    pub(crate) fn recognise(cells: &[&[u8]], decimal_comma: Option<bool>) -> Result<Self, String> {
        let odd: Vec<&[u8]> = cells
            .iter()
            .copied()
            .filter(|cell| parse(cell).is_none())
            .collect();
        // A few words among numbers are no other way to write numbers.
        if odd.len() * 5 <= cells.len() {
            return Ok(Self::Plain);
        }
        let fits = |style: Self| {
            let fitting = cells
                .iter()
                .filter(|cell| style.parse(cell).is_some())
                .count();
            fitting * 20 >= cells.len() * 19
        };
        let has_comma = cells.iter().any(|cell| cell.contains(&b','));
        let comma = (
            has_comma && decimal_comma != Some(true) && fits(Self::Grouped(b',')),
            has_comma && decimal_comma != Some(false) && fits(Self::DecimalComma),
        );
        let shown = || quoted(odd[0]);
        match comma {
            (true, true) => {
                return Err(format!(
                    "the comma in {} can stand between thousands or be the decimal comma: say --decimal-comma=no or \
                     --decimal-comma=yes",
                    shown()
                ));
            }
            (true, false) => return Ok(Self::Grouped(b',')),
            (false, true) => return Ok(Self::DecimalComma),
            (false, false) => {}
        }
        for separator in GROUP_SEPARATORS {
            if fits(Self::Grouped(separator)) {
                return Ok(Self::Grouped(separator));
            }
        }
        // One odd cell may be anything.
        let is_rule = cells.len() >= MIN_UNIT_CELLS;
        let with_unit = odd.iter().find(|cell| has_unit(cell));
        match with_unit {
            Some(cell)
                if is_rule && odd.iter().filter(|cell| has_unit(cell)).count() * 2 > odd.len() =>
            {
                Err(format!(
                    "the value {} has a unit: write plain numbers, all in one unit",
                    quoted(cell)
                ))
            }
            _ => Ok(Self::Plain),
        }
    }

    /// The finite number that the whole `cell` stands for.
    #[inline]
    pub(crate) fn parse(self, cell: &[u8]) -> Option<f64> {
        match self {
            Self::Plain => parse(cell),
            Self::Grouped(separator) => parse(&without_groups(cell, &[separator], b'.')?),
            Self::DecimalComma => parse(&without_groups(cell, b". '", b',')?),
        }
    }
}

/// A number's text without the `separators` between groups of three digits, its decimal `mark` written as a point. `None`
/// where the groups are not of three digits.
fn without_groups(cell: &[u8], separators: &[u8], mark: u8) -> Option<Vec<u8>> {
    let (whole, fraction) = match memchr::memrchr(mark, cell) {
        Some(at) => (&cell[..at], Some(&cell[at + 1..])),
        None => (cell, None),
    };
    let (sign, digits) = match whole {
        [sign @ (b'-' | b'+'), digits @ ..] => (Some(*sign), digits),
        digits => (None, digits),
    };
    let mut groups = digits.split(|byte| separators.contains(byte));
    let first = groups.next()?;
    let mut text: Vec<u8> = sign.into_iter().collect();
    text.extend_from_slice(first);
    let mut is_grouped = false;
    for group in groups {
        if group.len() != 3 {
            return None;
        }
        is_grouped = true;
        text.extend_from_slice(group);
    }
    if is_grouped && !(1..=3).contains(&first.len()) {
        return None;
    }
    if let Some(fraction) = fraction {
        text.push(b'.');
        text.extend_from_slice(fraction);
    }
    Some(text)
}

/// Whether a cell is a number with a unit behind it: `13.6%`, `5.5 M`, `1008.5 kB/s`.
fn has_unit(cell: &[u8]) -> bool {
    let length = cell
        .iter()
        .take_while(|byte| b"+-.,0123456789".contains(byte))
        .count();
    let unit = cell[length..].trim_ascii();
    cell[..length].iter().any(u8::is_ascii_digit)
        && (1..=12).contains(&unit.len())
        && unit
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || b"%/".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn style(cells: &[&str], decimal_comma: Option<bool>) -> Result<NumberStyle, String> {
        let cells: Vec<&[u8]> = cells.iter().map(|cell| cell.as_bytes()).collect();
        NumberStyle::recognise(&cells, decimal_comma)
    }

    #[test]
    fn thousands_and_decimal_commas_are_told_apart_where_they_can_be() {
        let grouped = style(&["1,008,482", "999", "12,500.5"], None).unwrap();
        assert_eq!(grouped, NumberStyle::Grouped(b','));
        assert_eq!(grouped.parse(b"1,008,482"), Some(1_008_482.0));
        assert_eq!(grouped.parse(b"-12,500.5"), Some(-12_500.5));
        assert_eq!(grouped.parse(b"1,08"), None);
        let comma = style(&["0,5", "1.008,25", "17"], None).unwrap();
        assert_eq!(comma, NumberStyle::DecimalComma);
        assert_eq!(comma.parse(b"1.008,25"), Some(1008.25));
        assert_eq!(
            style(&["1 008 482", "17 000"], None),
            Ok(NumberStyle::Grouped(b' '))
        );
        let doubt = style(&["1,008", "2,500"], None).unwrap_err();
        assert!(
            doubt.starts_with("the comma in \"1,008\" can stand between thousands"),
            "{doubt}"
        );
        assert_eq!(
            style(&["1,008", "2,500"], Some(true)),
            Ok(NumberStyle::DecimalComma)
        );
        assert_eq!(
            style(&["1,008", "2,500"], Some(false)),
            Ok(NumberStyle::Grouped(b','))
        );
    }

    #[test]
    fn units_are_refused_and_stray_words_are_not_a_style() {
        for cell in ["1008.5 kB/s", "13.6%", "5.5 M"] {
            let text = style(&[cell; 10], None).unwrap_err();
            assert_eq!(
                text,
                format!("the value \"{cell}\" has a unit: write plain numbers, all in one unit")
            );
        }
        let words = ["1", "2", "3", "4", "5", "n/a"];
        assert_eq!(style(&words, None), Ok(NumberStyle::Plain));
        assert_eq!(style(&["x", "y"], None), Ok(NumberStyle::Plain));
    }

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
