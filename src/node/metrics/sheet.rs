//! What sources write on: families of metrics by name, with their samples.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

/// See the module's documentation.
pub(in crate::node) struct Sheet<'a>(DescriptorEncoder<'a>);

/// The values of a sample's labels, and its own.
type Sample<'l, const N: usize, V> = ([&'l str; N], V);

impl<'a> Sheet<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// A number that only grows; `_total` is added to its name.
    pub(in crate::node) fn counter<'l, const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<'l, N, V>>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Counter), labels, samples, |encoder, value| {
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// A number that grows and shrinks.
    pub(in crate::node) fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<'l, N, V>>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Gauge), labels, samples, |encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    fn family<'l, const N: usize, V>(
        &mut self,
        (name, help, kind): (&str, &str, MetricType),
        labels: [&str; N],
        samples: impl IntoIterator<Item = Sample<'l, N, V>>,
        encode: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        samples.into_iter().try_for_each(|sample| write(&mut family, labels, sample, &encode))
    }

    /// How often something took how long, in seconds: each bound, and how many were between it and the one before. No bound is infinity.
    pub(in crate::node) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        sum: f64,
        buckets: impl IntoIterator<Item = (Option<f64>, u64)>,
    ) -> fmt::Result {
        let buckets: Vec<_> =
            buckets.into_iter().map(|(bound, count)| (bound.unwrap_or(f64::INFINITY), count)).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

fn write<V, const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: [&str; N],
    (values, value): Sample<'_, N, V>,
    encode: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
) -> fmt::Result {
    if N == 0 {
        return encode(family, value);
    }
    let labels: [(&str, &str); N] = std::array::from_fn(|at| (labels[at], values[at]));
    encode(&mut family.encode_family(&labels)?, value)
}

#[cfg(test)]
mod tests {
    use super::super::{Metrics, Source};
    use super::*;

    struct Everything;

    impl Source for Everything {
        fn tell(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
            sheet.counter("a", "All", [], [([], 1_u64)])?;
            sheet.gauge("b", "Some", ["x", "y"], [(["1", "\"\n\\"], 2.5), (["3", ""], 0.0)])?;
            sheet.gauge::<1, u64>("c", "None", ["x"], [])?;
            sheet.histogram("d", "Long", 1.5, [(Some(0.1), 2), (Some(1.0), 0), (None, 1)])
        }
    }

    #[test]
    fn it_is_the_text_of_prometheus() {
        let mut metrics = Metrics::default();
        metrics.add(Everything);
        let expected = r#"# HELP a_total All
# TYPE a_total counter
a_total 1
# HELP b Some
# TYPE b gauge
b{x="1",y="\"\n\\"} 2.5
b{x="3",y=""} 0.0
# HELP c None
# TYPE c gauge
# HELP d Long
# TYPE d histogram
d_bucket{le="0.1"} 2
d_bucket{le="1"} 2
d_bucket{le="+Inf"} 3
d_sum 1.5
d_count 3
"#;
        assert_eq!(metrics.to_text(), expected);
    }
}
