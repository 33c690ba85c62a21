//! Numbers as people read them.

use std::fmt::{self, Display, Formatter};

/// Seconds, in the two largest units.
pub(crate) struct Span(pub(crate) u64);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (seconds, minutes, hours) = (self.0, self.0 / 60, self.0 / 3_600);
        let text = if hours >= 24 {
            format!("{} d {} h", hours / 24, hours % 24)
        } else if hours > 0 {
            format!("{hours} h {} min", minutes % 60)
        } else if minutes > 0 {
            format!("{minutes} min {} s", seconds % 60)
        } else {
            format!("{seconds} s")
        };
        f.pad(&text)
    }
}

/// Bytes, in the largest unit that fits, with one decimal.
pub(crate) struct Size(pub(crate) u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            let whole = self.0 >> shift;
            if whole > 0 {
                let tenth = ((self.0 >> (shift - 10)) & 1023) * 10 / 1024;
                return f.pad(&format!("{whole}.{tenth} {unit}"));
            }
        }
        f.pad(&format!("{} bytes", self.0))
    }
}

/// Microseconds, in the unit that needs the fewest digits; a dash where there are none.
pub(crate) struct Micros(pub(crate) Option<u64>);

impl Display for Micros {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            None => "-".to_owned(),
            Some(us @ ..1_000) => format!("{us} µs"),
            Some(us @ ..10_000) => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
            Some(us @ ..1_000_000) => format!("{} ms", us / 1_000),
            Some(us) => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        };
        f.pad(&text)
    }
}

/// A part of a whole, in whole percent; a dash where there is no whole.
pub(crate) struct Percent(pub(crate) u64, pub(crate) u64);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let percent = u128::from(self.0) * 100;
        match percent.checked_div(self.1.into()) {
            Some(percent) => f.pad(&format!("{percent} %")),
            None => f.pad("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_show_what_matters() {
        let spans = [0, 59, 60, 3_599, 3_600, 86_400].map(|seconds| Span(seconds).to_string());
        assert_eq!(spans, ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 d 0 h"]);
        let sizes = [0, 1023, 1024, 1536, 64 << 20, u64::MAX].map(|bytes| Size(bytes).to_string());
        let expected =
            ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "64.0 MiB", "17179869183.9 GiB"];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn times_and_parts_are_short() {
        let times = [7, 999, 1_250, 12_345, 999_999, 2_750_000].map(|us| Micros(Some(us)));
        let times = times.map(|time| time.to_string());
        assert_eq!(times, ["7 µs", "999 µs", "1.2 ms", "12 ms", "999 ms", "2.7 s"]);
        assert_eq!(Micros(None).to_string(), "-");
        let parts = [Percent(0, 0), Percent(1, 3), Percent(u64::MAX, u64::MAX)];
        assert_eq!(parts.map(|part| part.to_string()), ["-", "33 %", "100 %"]);
        assert_eq!(format!("{:>6}", Percent(1, 2)), "  50 %");
    }
}
