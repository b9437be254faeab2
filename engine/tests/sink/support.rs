//! Rows, shapes and messages of troubles, for tests of sinks.

use std::sync::{Arc, Mutex};

use tailwater_engine::model::{Row, RowKind, RuleId, Value};
use tailwater_engine::sink::push::Said;
use tailwater_engine::sink::{Report, RuleShape, Shape, Tell};

/// What was told.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Report>>>);

impl Told {
    pub(crate) fn tell(&self) -> Tell {
        let shared = Arc::clone(&self.0);
        Arc::new(move |report: &Report| shared.lock().unwrap().push(report.clone()))
    }

    pub(crate) fn all(&self) -> Vec<Report> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

/// A rule `http` by `service.name`: a count `n`, a sum `spent`, a distribution `times`, a gauge
/// `p99`, and exemplars `some`.
pub(crate) fn shapes() -> Arc<[Shape]> {
    let rule = RuleShape {
        name: Arc::from("http"),
        keys: names(&["service.name"]),
        values: names(&["n", "spent", "times", "p99", "some"]),
        counts: vec![true, false, false, false, false],
        sums: vec![false, true, false, false, false],
        histograms: vec![false, false, true, false, false],
        every_ns: 10,
    };
    Arc::from([Shape::Rule(rule)])
}

/// The row of a window of 10 ns that ends at `end_ns`.
pub(crate) fn row(service: &str, end_ns: i64, values: Vec<Value>) -> Row {
    Row {
        rule: RuleId(0),
        decision_ns: end_ns,
        start_ns: end_ns - 10,
        end_ns,
        kind: RowKind::Final,
        is_other: false,
        key: Arc::from([Value::str(service)]),
        values,
    }
}

pub(crate) fn said(row: Row) -> Said {
    Said::Row(Arc::new(row))
}

/// A row whose count is `n`.
pub(crate) fn count(service: &str, end_ns: i64, n: i64) -> Said {
    said(row(service, end_ns, vec![Value::Int(n)]))
}
