//! Axes: steps that people can read, and what is written beside them.

use tailwater_engine::model::Value;
use tailwater_engine::model::render::time;

const SECOND_NS: i64 = 1_000_000_000;

/// What the numbers of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Plain numbers.
    Plain,
    /// Nanoseconds.
    Duration,
    /// Bytes.
    Size,
    /// Ratios, written in percent.
    Ratio,
}

impl Unit {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Duration(_) => Self::Duration,
            Value::Size(_) => Self::Size,
            Value::Ratio(_) => Self::Ratio,
            _ => Self::Plain,
        }
    }

    /// A number with its unit.
    pub(super) fn text(self, number: f64) -> String {
        match self {
            Self::Plain => Value::Float(number),
            Self::Duration => Value::Duration(number.round() as i64),
            Self::Size => Value::Size(number.round() as i64),
            Self::Ratio => Value::Ratio(number),
        }
        .to_string()
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least as large.
fn nice(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= least * 0.999_999);
    step.unwrap_or(10.0) * power
}

/// Marks from `low` to beyond `high`, about `wanted` of them. Sizes step in powers of two.
pub(super) fn marks(unit: Unit, low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let span = if high > low { high - low } else { 1.0 };
    let least = span / wanted as f64;
    let step = if unit == Unit::Size { 2f64.powf(least.log2().ceil()) } else { nice(least) };
    let first = (low / step).floor() as i64;
    let last = (high / step).ceil() as i64;
    (first..=last.max(first + 1)).map(|number| number as f64 * step).collect()
}

/// Steps of a time axis, in seconds: those of clocks and calendars.
const TIME_STEPS_S: [i64; 18] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200,
    86_400,
];

/// Marks of a time axis within a span, at most `most`, and what is written at each.
pub(super) fn time_marks(low_ns: i64, high_ns: i64, most: i64) -> Vec<(i64, String)> {
    let span_s = high_ns.saturating_sub(low_ns) / SECOND_NS;
    let fits = |step: &i64| span_s / step < most;
    let days = (span_s / 86_400 / most + 1) * 86_400;
    let step_ns = TIME_STEPS_S.into_iter().find(fits).unwrap_or(days).saturating_mul(SECOND_NS);
    let first = low_ns.div_euclid(step_ns) + i64::from(low_ns.rem_euclid(step_ns) > 0);
    let marks = (first..).map_while(|number| number.checked_mul(step_ns));
    let marks = marks.take_while(|at_ns| *at_ns <= high_ns);
    marks.map(|at_ns| (at_ns, label(at_ns, step_ns))).collect()
}

/// `12:30:05`, `12:30` where seconds never differ, the date at midnight.
fn label(at_ns: i64, step_ns: i64) -> String {
    let text = time(at_ns);
    let (date, clock) = text.split_at(text.find('T').unwrap_or(text.len()));
    if at_ns.rem_euclid(86_400 * SECOND_NS) == 0 {
        return date.to_owned();
    }
    let to = if step_ns % (60 * SECOND_NS) == 0 { 6 } else { 9 };
    clock.get(1..to).unwrap_or(clock).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_hold_the_range() {
        let texts = |unit: Unit, high| {
            let marks = marks(unit, 0.0, high, 4).into_iter();
            marks.map(|mark| unit.text(mark)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(Unit::Plain, 93.0), "0 50 100");
        assert_eq!(texts(Unit::Ratio, 0.07), "0% 2% 4% 6% 8%");
        assert_eq!(texts(Unit::Size, 3_000.0), "0B 1KiB 2KiB 3KiB");
        assert_eq!(texts(Unit::Duration, 3e8), "0s 100ms 200ms 300ms");
        assert_eq!(texts(Unit::Plain, 0.0), "0 0.5");
    }

    #[test]
    fn times_are_marked_where_clocks_are_read() {
        let at = |minute: i64| minute * 60 * SECOND_NS;
        let texts: Vec<String> =
            time_marks(at(1), at(11), 6).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["00:02", "00:04", "00:06", "00:08", "00:10"]);
        assert_eq!(time_marks(0, SECOND_NS, 6)[0].1, "1970-01-01");
    }
}
