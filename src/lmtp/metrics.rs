//! What the front counts, and its OpenMetrics text.
//!
//! Nothing here names a user, and no label has more values than this file lists.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the histogram, milliseconds; one more bucket has no bound.
const BOUNDS: [u32; 12] = [1, 2, 5, 10, 25, 50, 100, 500, 1000, 5000, 30_000, 240_000];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How many there are at the moment.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Counts one more, until the returned guard is dropped.
    pub fn enter(&self) -> GaugeGuard<'_> {
        self.0.fetch_add(1, Relaxed);
        GaugeGuard(self)
    }
}

/// Counts as one in a gauge.
pub struct GaugeGuard<'g>(&'g Gauge);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

/// Everything that is counted since the server was started.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections that were accepted.
    pub connections: Counter,
    /// Recipients who have mail here.
    pub recipients: Counter,
    /// Recipients who have no mail here.
    pub unknown_recipients: Counter,
    /// Recipients who could not be looked up.
    pub lookup_failures: Counter,
    /// Workers that were started.
    pub workers_started: Counter,
    /// Workers that ended without being told to, or had to be killed.
    pub workers_died: Counter,
    /// Workers that were ended because they were old, idle or started with other
    /// settings.
    pub workers_replaced: Counter,
    /// Messages that were kept from the rules because workers had died of them.
    pub poison: Counter,
    /// Deliveries that are waiting for a worker.
    pub waiting: Gauge,
    /// Deliveries by the class of their reply: 2, 4, 5.
    replies: [Counter; 3],
    /// Deliveries by their time, each in one bucket.
    buckets: [Counter; BOUNDS.len() + 1],
    /// The time of all deliveries, microseconds.
    micros: AtomicU64,
}

impl Metrics {
    /// Counts a delivery by the code of its reply and the time that it took.
    pub fn count_delivery(&self, code: u16, time: Duration) {
        let class = match code / 100 {
            2 => 0,
            5 => 2,
            _ => 1,
        };
        let bound = |bound: &u32| time <= Duration::from_millis(u64::from(*bound));
        let bucket = BOUNDS.iter().position(bound).unwrap_or(BOUNDS.len());
        for counter in self.replies.get(class).into_iter().chain(self.buckets.get(bucket)) {
            counter.count();
        }
        self.micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// The text, as OpenMetrics 1.0 describes it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, help, counter) in [
            ("connections", "Connections that were accepted.", &self.connections),
            ("recipients", "Recipients who have mail here.", &self.recipients),
            ("unknown_recipients", "Recipients who have no mail here.", &self.unknown_recipients),
            ("lookup_failures", "Recipients who could not be looked up.", &self.lookup_failures),
            ("workers_started", "Workers that were started.", &self.workers_started),
            ("workers_died", "Workers that ended unexpectedly or were killed.", &self.workers_died),
            ("workers_replaced", "Workers that were replaced.", &self.workers_replaced),
            (
                "poison_messages",
                "Messages delivered without rules because workers had died of them.",
                &self.poison,
            ),
        ] {
            describe(&mut text, name, "counter", help);
            text.push_str(&format!("mfilter_lmtp_{name}_total {}\n", counter.value()));
        }
        describe(&mut text, "deliveries", "counter", "Deliveries by the class of the reply.");
        for (class, counter) in ["2xx", "4xx", "5xx"].iter().zip(&self.replies) {
            let count = counter.value();
            text.push_str(&format!("mfilter_lmtp_deliveries_total{{reply=\"{class}\"}} {count}\n"));
        }
        describe(&mut text, "waiting_deliveries", "gauge", "Deliveries that wait for a worker.");
        let waiting = self.waiting.0.load(Relaxed);
        text.push_str(&format!("mfilter_lmtp_waiting_deliveries {waiting}\n"));
        let name = "delivery_seconds";
        describe(&mut text, name, "histogram", "Time from the end of DATA to the reply.");
        text.push_str(&format!("# UNIT mfilter_lmtp_{name} seconds\n"));
        let bounds = BOUNDS.iter().map(|bound| format!("{:?}", f64::from(*bound) / 1000.0));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        let mut count = 0;
        for (bound, counter) in bounds.zip(&self.buckets) {
            count += counter.value();
            text.push_str(&format!("mfilter_lmtp_{name}_bucket{{le=\"{bound}\"}} {count}\n"));
        }
        let micros = self.micros.load(Relaxed);
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        text.push_str(&format!("mfilter_lmtp_{name}_count {count}\n"));
        text.push_str(&format!("mfilter_lmtp_{name}_sum {seconds}.{rest:06}\n# EOF\n"));
        text
    }
}

fn describe(text: &mut String, name: &str, kind: &str, help: &str) {
    text.push_str(&format!(
        "# HELP mfilter_lmtp_{name} {help}\n# TYPE mfilter_lmtp_{name} {kind}\n"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_in_one_class_and_in_all_larger_buckets() {
        let metrics = Metrics::default();
        metrics.count_delivery(250, Duration::from_micros(900));
        metrics.count_delivery(452, Duration::from_millis(70));
        metrics.count_delivery(550, Duration::from_secs(1000));
        let waiting = metrics.waiting.enter();
        let text = metrics.text();
        for line in [
            "mfilter_lmtp_deliveries_total{reply=\"2xx\"} 1",
            "mfilter_lmtp_deliveries_total{reply=\"4xx\"} 1",
            "mfilter_lmtp_deliveries_total{reply=\"5xx\"} 1",
            "mfilter_lmtp_waiting_deliveries 1",
            "mfilter_lmtp_delivery_seconds_bucket{le=\"0.001\"} 1",
            "mfilter_lmtp_delivery_seconds_bucket{le=\"0.05\"} 1",
            "mfilter_lmtp_delivery_seconds_bucket{le=\"0.1\"} 2",
            "mfilter_lmtp_delivery_seconds_bucket{le=\"240.0\"} 2",
            "mfilter_lmtp_delivery_seconds_bucket{le=\"+Inf\"} 3",
            "mfilter_lmtp_delivery_seconds_count 3",
            "mfilter_lmtp_delivery_seconds_sum 1000.070900",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}: {text}");
        }
        drop(waiting);
        assert!(metrics.text().contains("mfilter_lmtp_waiting_deliveries 0\n"));
    }
}
