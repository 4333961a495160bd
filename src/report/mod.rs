//! Findings -> what people and programs read: graphs, tables, the summary.
//!
//! Everything here makes bytes or rows; [`atomic`] alone puts them on disk.

pub mod chart;
pub mod options;
pub mod summary;
pub mod tables;
pub mod terminal;

pub use options::{Graphs, OutputOptions};

/// `1234567` as `1,234,567`; of a whole number that is not negative.
pub(crate) fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
