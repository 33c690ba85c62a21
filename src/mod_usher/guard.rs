//! What C calls never unwinds into C.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` gives; `otherwise` if it panics. The panic's message is in httpd's error log, where
/// the standard error leads.
pub fn caught<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    // What a panic leaves half done is the state of its one request, which ends with an error;
    // what its connection remembers is whole after each step.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_becomes_the_value_for_it() {
        assert_eq!(caught(500, || 0), 0);
        assert_eq!(caught(500, || panic!("on purpose")), 500);
    }
}
