//! Numbers: durations and sizes, which have units, and counts, which have not.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::problem::Fault;
use super::raw::{Quantity, Whole};

/// Names of units with their worth in milliseconds, the smallest first.
const TIMES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Names of units with their worth in bytes, the smallest first.
const SIZES: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// A reader of durations within bounds.
pub(super) fn duration(
    bounds: RangeInclusive<Duration>,
) -> impl FnOnce(&Quantity) -> Result<Duration, Fault> {
    move |quantity| {
        let duration = any_duration(quantity)?;
        let within = bounds.contains(&duration);
        within.then_some(duration).ok_or_else(|| {
            let (least, most) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
            Fault::new(format!("must be between {least} and {most}"))
        })
    }
}

/// A duration without bounds.
pub(super) fn any_duration(quantity: &Quantity) -> Result<Duration, Fault> {
    in_units(&quantity.0, &TIMES, "a duration", "5s")
        .map(Duration::from_millis)
        .map_err(|fault| fault.hint_if_none("write \"300ms\", \"5s\", \"10m\", \"1h\" or \"2d\""))
}

/// A reader of sizes within bounds.
pub(super) fn size(bounds: RangeInclusive<u64>) -> impl FnOnce(&Quantity) -> Result<usize, Fault> {
    move |quantity| {
        let bytes = in_units(&quantity.0, &SIZES, "a size", "64MiB").map_err(|fault| {
            fault.hint_if_none("write \"4096B\", \"512KiB\", \"64MiB\" or \"1GiB\"")
        })?;
        let within = usize::try_from(bytes).ok().filter(|_| bounds.contains(&bytes));
        within.ok_or_else(|| {
            let (least, most) = (show_size(*bounds.start()), show_size(*bounds.end()));
            Fault::new(format!("must be between {least} and {most}"))
        })
    }
}

/// A reader of counts within bounds.
pub(super) fn count(bounds: RangeInclusive<usize>) -> impl FnOnce(&Whole) -> Result<usize, Fault> {
    move |whole| {
        let within = usize::try_from(whole.0).ok().filter(|count| bounds.contains(count));
        within.ok_or_else(|| {
            Fault::new(format!("must be between {} and {}", bounds.start(), bounds.end()))
        })
    }
}

/// The number of a port.
pub(super) fn port(whole: &Whole) -> Result<u16, Fault> {
    let port = u16::try_from(whole.0).ok().filter(|port| *port != 0);
    port.ok_or_else(|| Fault::new("must be between 1 and 65535"))
}

/// The duration as it is written in the file, in the largest unit that loses nothing.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 { "0s".to_owned() } else { show(millis, &TIMES) }
}

/// The size as it is written in the file, in the largest unit that loses nothing.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZES)
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().rev().find(|(_, worth)| amount.is_multiple_of(*worth));
    fitting.map_or_else(|| amount.to_string(), |(unit, worth)| format!("{}{unit}", amount / worth))
}

fn in_units(text: &str, units: &[(&str, u64)], kind: &str, example: &str) -> Result<u64, Fault> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if unit.is_empty() && !digits.is_empty() {
        return Err(Fault::new("needs a unit").hint(format!("write {example:?}, for instance")));
    }
    let not_one = || Fault::new(format!("is not {kind}: {text:?}"));
    let (_, worth) = units.iter().find(|(name, _)| *name == unit).ok_or_else(not_one)?;
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(*worth)).ok_or_else(not_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Duration, Fault> {
        any_duration(&Quantity(text.to_owned()))
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(read("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(read("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(read("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(read("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(read("2d"), Ok(Duration::from_secs(172_800)));
        assert_eq!(read("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn a_bare_number_is_no_duration() {
        let fault = Fault::new("needs a unit").hint("write \"5s\", for instance");
        assert_eq!(read("30"), Err(fault));
    }

    #[test]
    fn what_is_no_number_with_a_unit_is_refused() {
        for text in [
            "",
            "s",
            "5 s",
            "-5s",
            "1.5s",
            "5S",
            "5sec",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_units_and_bounds() {
        let read = |text: &str| size(4096..=1 << 30)(&Quantity(text.to_owned()));
        assert_eq!(read("4096B"), Ok(4096));
        assert_eq!(read("64MiB"), Ok(64 << 20));
        assert_eq!(read("1GiB"), Ok(1 << 30));
        assert_eq!(read("2GiB"), Err(Fault::new("must be between 4KiB and 1GiB")));
        assert!(read("64MB").is_err());
        assert!(read("64").is_err());
    }

    #[test]
    fn what_is_shown_reads_as_the_same() {
        for text in ["0s", "1500ms", "90s", "2m", "36h", "2d"] {
            assert_eq!(read(text).map(show_duration).as_deref(), Ok(text));
        }
        assert_eq!(show_size(3 << 19), "1536KiB");
    }
}
