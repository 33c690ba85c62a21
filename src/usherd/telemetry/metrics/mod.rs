//! The status in the text format of Prometheus. Label values are names of the configuration and
//! words of ours, never a user's.

mod daemon;
mod host;
mod realm;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use usher_protocol::{Histogram, Status};

/// The status as lines for Prometheus.
pub fn metrics(status: Status) -> String {
    let mut registry = Registry::with_prefix("usher");
    registry.register_collector(Box::new(Snapshot(status)));
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = prometheus_text::encode(&mut text, &registry);
    text
}

/// The part of a text that follows so many lines and fits into `most` bytes, in whole lines, and
/// whether there is more.
pub fn part(text: &str, skip: u32, most: usize) -> (String, bool) {
    let lines = text.split_inclusive('\n').skip(usize::try_from(skip).unwrap_or(usize::MAX));
    let mut part = String::new();
    for line in lines {
        if part.len() + line.len() > most {
            return (part, true);
        }
        part.push_str(line);
    }
    (part, false)
}

#[derive(Debug)]
struct Snapshot(Status);

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families(encoder);
        daemon::encode(&self.0, &mut families)?;
        realm::encode(&self.0, &mut families)?;
        host::encode(&self.0.realms, &mut families)
    }
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes families of metrics, each with its rows.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn counter<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        rows.into_iter().try_for_each(|(labels, value)| {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        rows.into_iter()
            .try_for_each(|(labels, value)| family.encode_family(&labels)?.encode_gauge(&value))
    }

    fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (Labels<'a>, &'a Histogram)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        rows.into_iter().try_for_each(|(labels, value)| {
            let bounds = Histogram::BOUNDS_US.into_iter().map(seconds).chain([f64::INFINITY]);
            let classes: Vec<_> = bounds.zip(value.counts).collect();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                seconds(value.sum_us),
                value.count(),
                &classes,
                None,
            )
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_are_whole_lines_and_make_the_text() {
        let text = "one\ntwo\nthree\n";
        assert_eq!(part(text, 0, 100), (text.to_owned(), false));
        assert_eq!(part(text, 0, 8), ("one\ntwo\n".to_owned(), true));
        assert_eq!(part(text, 2, 8), ("three\n".to_owned(), false));
        assert_eq!(part(text, 3, 8), (String::new(), false));
    }
}
