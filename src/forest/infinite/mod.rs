//! Forests of infinitely many trees on one feature, in closed form.

mod inclusive;

pub use self::inclusive::InclusiveForest;
