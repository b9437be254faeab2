//! Items said again: the same messages, whatever they came in.

use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as LogsRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as MetricsRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as TraceRequest;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use proptest::prelude::*;
use prost::Message;
use tailwater_engine::ingest::{DecodeReport, Decoder, emit};
use tailwater_engine::model::{
    Compression, DataFrame, Demand, EmittedItem, Interner, ItemContent, ItemKey, PayloadFormat,
    RuleId, Signal, SourceId,
};
use tailwater_engine::sink::otlp::{Encoding, item_requests};

use crate::generate;
use crate::support::{frame, source};

/// An item with what stands around it: resource, its schema, scope, its schema, the item.
type Whole<R, S, I> = (Option<R>, String, Option<S>, String, I);

fn demand(signal: Signal) -> Demand {
    let mut demand = Demand::default();
    demand.want_raw(signal);
    demand
}

/// Every item of a frame that `takes` admits.
fn emitted(signal: Signal, frame: &DataFrame, takes: impl Fn(u32) -> bool) -> Vec<ItemContent> {
    let mut decoder = Decoder::new(Arc::new(demand(signal)), source(None));
    let (mut batches, mut report) = (Vec::new(), DecodeReport::default());
    decoder.decode(0, frame, &Interner::shared(), &mut batches, &mut report);
    assert_eq!(report.ledger.damaged, 0);
    let of_batch = |batch: &tailwater_engine::model::Batch| {
        let rows: Vec<u32> = (0..batch.rows as u32).filter(|row| takes(*row)).collect();
        emit(batch, &rows).into_iter().map(|item| item.expect("it fits OTLP")).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of_batch).collect()
}

fn items(signal: Signal, contents: Vec<ItemContent>) -> Vec<EmittedItem> {
    let item = |(row, content): (usize, ItemContent)| EmittedItem {
        rule: RuleId(0),
        signal,
        decision_ns: 0,
        key: ItemKey { frame_seq: 0, row: row as u32, time_ns: 0, source: SourceId(0) },
        content,
    };
    contents.into_iter().enumerate().map(item).collect()
}

/// Items as one request in an encoding.
fn request(signal: Signal, contents: Vec<ItemContent>, encoding: Encoding) -> Bytes {
    let items = items(signal, contents);
    let requests = item_requests(encoding, &items.iter().collect::<Vec<_>>());
    assert!(requests.iter().all(|request| request.left_out == 0));
    requests.into_iter().next().map(|request| request.body).unwrap_or_default()
}

fn head<M: Message + Default + PartialEq>(message: Option<M>) -> Option<M> {
    message.filter(|message| *message != M::default())
}

macro_rules! wholes {
    ($name:ident, $request:ty, $groups:ident, $scopes:ident, $items:ident, $one:expr) => {
        fn $name(
            request: $request,
        ) -> Vec<
            Whole<
                opentelemetry_proto::tonic::resource::v1::Resource,
                opentelemetry_proto::tonic::common::v1::InstrumentationScope,
                String,
            >,
        > {
            let mut all = Vec::new();
            for group in request.$groups {
                for scoped in group.$scopes {
                    for item in scoped.$items.into_iter().flat_map($one) {
                        all.push((
                            head(group.resource.clone()),
                            group.schema_url.clone(),
                            head(scoped.scope.clone()),
                            scoped.schema_url.clone(),
                            format!("{item:?}"),
                        ));
                    }
                }
            }
            all
        }
    };
}

wholes!(spans, TraceRequest, resource_spans, scope_spans, spans, |span| [span]);
wholes!(records, LogsRequest, resource_logs, scope_logs, log_records, |record| [record]);
wholes!(points, MetricsRequest, resource_metrics, scope_metrics, metrics, by_point);

/// A metric once for each of its points.
#[expect(clippy::needless_pass_by_value, reason = "its kin take items by value")]
fn by_point(metric: Metric) -> Vec<Metric> {
    fn each<P: Clone>(points: &[P], with: impl Fn(Vec<P>) -> Data) -> Vec<Data> {
        points.iter().map(|point| with(vec![point.clone()])).collect()
    }
    let all = match metric.data.clone() {
        None => Vec::new(),
        Some(Data::Gauge(data)) => each(&data.data_points, |data_points| {
            Data::Gauge(opentelemetry_proto::tonic::metrics::v1::Gauge { data_points })
        }),
        Some(Data::Sum(data)) => each(&data.data_points, |data_points| {
            Data::Sum(opentelemetry_proto::tonic::metrics::v1::Sum { data_points, ..data })
        }),
        Some(Data::Histogram(data)) => each(&data.data_points, |data_points| {
            let of = data.aggregation_temporality;
            Data::Histogram(opentelemetry_proto::tonic::metrics::v1::Histogram {
                data_points,
                aggregation_temporality: of,
            })
        }),
        Some(Data::ExponentialHistogram(data)) => each(&data.data_points, |data_points| {
            let of = data.aggregation_temporality;
            let data = opentelemetry_proto::tonic::metrics::v1::ExponentialHistogram {
                data_points,
                aggregation_temporality: of,
            };
            Data::ExponentialHistogram(data)
        }),
        Some(Data::Summary(data)) => each(&data.data_points, |data_points| {
            Data::Summary(opentelemetry_proto::tonic::metrics::v1::Summary { data_points })
        }),
    };
    all.into_iter().map(|data| Metric { data: Some(data), ..metric.clone() }).collect()
}

/// Sorted: items of equal resource and scope that stood apart leave together.
fn sorted<T: Clone + std::fmt::Debug>(mut wholes: Vec<T>) -> Vec<T> {
    wholes.sort_by_key(|whole| format!("{whole:?}"));
    wholes
}

/// Says a request again through protobuf, and through JSON and protobuf.
fn again(signal: Signal, format: PayloadFormat, payload: &[u8]) -> [Bytes; 2] {
    let first = emitted(signal, &frame(payload.to_vec(), format), |_| true);
    let json = request(signal, first.clone(), Encoding::Json);
    let through_json = if json.is_empty() {
        Vec::new()
    } else {
        emitted(signal, &frame(json, PayloadFormat::OtlpJson), |_| true)
    };
    [first, through_json].map(|items| request(signal, items, Encoding::Protobuf))
}

fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

/// A group of items whose fields stand in another order, its head in so many pieces.
fn turned(head: &[u8], items: &[Vec<u8>], url: &str, by: usize, pieces: usize) -> Vec<u8> {
    let mut fields = vec![field(1, head); pieces];
    fields.extend(items.iter().map(|item| field(2, item)));
    fields.push(field(3, b"https://replaced.example"));
    fields.push(field(3, url.as_bytes()));
    let by = by % fields.len();
    fields.rotate_left(by);
    fields.concat()
}

proptest! {
    #[test]
    fn heads_are_found_wherever_they_stand(
        sent in generate::traces(),
        by in (0..7_usize, 0..7_usize),
        pieces in (0..3_usize, 0..3_usize),
    ) {
        let mut payload = Vec::new();
        for group in sent.resource_spans {
            let resource = group.resource.unwrap_or_default().encode_to_vec();
            let scopes: Vec<_> = group.scope_spans.into_iter().map(|scoped| {
                let scope = scoped.scope.unwrap_or_default().encode_to_vec();
                let spans: Vec<_> = scoped.spans.iter().map(Message::encode_to_vec).collect();
                turned(&scope, &spans, &scoped.schema_url, by.0, pieces.0)
            }).collect();
            let group = turned(&resource, &scopes, &group.schema_url, by.1, pieces.1);
            payload.extend(field(1, &group));
        }
        let wanted = TraceRequest::decode(&payload[..]).expect("a request");
        for body in again(Signal::Spans, PayloadFormat::OtlpTraces, &payload) {
            let found = spans(TraceRequest::decode(body).expect("a request"));
            prop_assert_eq!(&sorted(found), &sorted(spans(wanted.clone())));
        }
    }

    #[test]
    fn spans_leave_as_they_came(sent in generate::traces()) {
        let wanted = sorted(spans(sent.clone()));
        for body in again(Signal::Spans, PayloadFormat::OtlpTraces, &sent.encode_to_vec()) {
            let found = spans(TraceRequest::decode(body).expect("a request"));
            prop_assert_eq!(&sorted(found), &wanted);
        }
    }

    #[test]
    fn log_records_leave_as_they_came(sent in generate::logs()) {
        let wanted = sorted(records(sent.clone()));
        for body in again(Signal::Logs, PayloadFormat::OtlpLogs, &sent.encode_to_vec()) {
            let found = records(LogsRequest::decode(body).expect("a request"));
            prop_assert_eq!(&sorted(found), &wanted);
        }
    }

    #[test]
    fn points_leave_as_they_came(sent in generate::metrics()) {
        let wanted = sorted(points(sent.clone()));
        for body in again(Signal::Metrics, PayloadFormat::OtlpMetrics, &sent.encode_to_vec()) {
            let found = points(MetricsRequest::decode(body).expect("a request"));
            prop_assert_eq!(&sorted(found), &wanted);
        }
    }

    #[test]
    fn whichever_leave_and_however_they_were_packed(
        sent in generate::traces(),
        every in 1..5_u32,
    ) {
        let plain = frame(sent.encode_to_vec(), PayloadFormat::OtlpTraces);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, &plain.payload).expect("memory takes all");
        let packed = DataFrame {
            payload: gzip.finish().expect("memory takes all").into(),
            compression: Compression::Gzip,
            ..plain.clone()
        };
        let all = emitted(Signal::Spans, &plain, |_| true);
        let some: Vec<ItemContent> = all.into_iter().step_by(every as usize).collect();
        for frame in [plain, packed] {
            let found = emitted(Signal::Spans, &frame, |row| row.is_multiple_of(every));
            prop_assert_eq!(&found, &some);
        }
    }
}

#[test]
fn a_span_leaves_in_the_very_bytes_that_it_came_in() {
    // An unknown field, a long varint and fields out of order: nothing of it is made tidy.
    let span = [&[0x2a, 1, b'x', 0x0a, 16][..], &[7; 16], &[0x30, 0x82, 0x00, 0xf8, 0x07, 1]];
    let span = span.concat();
    let mut scoped = vec![0x12, span.len() as u8];
    scoped.extend(&span);
    let mut group = vec![0x12, scoped.len() as u8];
    group.extend(&scoped);
    let mut whole = vec![0x0a, group.len() as u8];
    whole.extend(&group);
    let frame = frame(whole.clone(), PayloadFormat::OtlpTraces);
    let found = emitted(Signal::Spans, &frame, |_| true);
    assert_eq!(found[0].item, span);
    assert_eq!(request(Signal::Spans, found.clone(), Encoding::Protobuf), whole);
    // Most of the payload leaves: it is no copy.
    let payload = frame.payload.as_ptr_range();
    assert!(payload.contains(&found[0].item.as_ptr()));
}
