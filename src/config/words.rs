//! Values that are one word of a few.

use serde_json::{Value as Json, json};
use tailwater_dsl::diagnostic::suggest::nearest;
use tailwater_engine::ingest::listen::WhenFull;
use tailwater_engine::sink::Compression;
use tailwater_engine::sink::otlp::{Protocol, RowsAs, Temporality};

use super::file::FileFormat;
use super::scalar::{Raw, Scalar, Unread};
use crate::args::{LogFormat, LogLevel};

/// Types that are one word of a few.
macro_rules! words {
    ($type:ty, $expected:literal, $( $word:literal => $value:expr ),+ $(,)?) => {
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn read(raw: &Raw<'_>) -> Result<Self, Unread> {
                match raw.text {
                    $( $word => Ok($value), )+
                    other => {
                        let near = nearest(other, [$( $word ),+]);
                        Err(near.map(|near| format!("did you mean `{near}`?")))
                    }
                }
            }

            fn json(&self) -> Json {
                $( if *self == $value { return json!($word); } )+
                Json::Null
            }

            fn schema() -> Json {
                json!({ "enum": [$( $word ),+] })
            }
        }
    };
}

words!(WhenFull, "`block`, `drop_newest`, `drop_oldest` or `sample`",
    "block" => Self::Block,
    "drop_newest" => Self::DropNewest,
    "drop_oldest" => Self::DropOldest,
    "sample" => Self::Sample,
);

words!(FileFormat, "`json` or `otlp_json`",
    "json" => Self::Json,
    "otlp_json" => Self::OtlpJson,
);

words!(LogFormat, "`text` or `json`",
    "text" => Self::Text,
    "json" => Self::Json,
);

words!(LogLevel, "`error`, `warn`, `info` or `debug`",
    "error" => Self::Error,
    "warn" => Self::Warn,
    "info" => Self::Info,
    "debug" => Self::Debug,
);

words!(Compression, "`none`, `gzip` or `zstd`",
    "none" => Self::None,
    "gzip" => Self::Gzip,
    "zstd" => Self::Zstd,
);

words!(Protocol, "`grpc`, `http/protobuf` or `http/json`",
    "grpc" => Self::Grpc,
    "http/protobuf" => Self::HttpProtobuf,
    "http/json" => Self::HttpJson,
);

words!(RowsAs, "`metrics`, `logs` or `both`",
    "metrics" => Self::Metrics,
    "logs" => Self::Logs,
    "both" => Self::Both,
);

words!(Temporality, "`cumulative` or `delta`",
    "cumulative" => Self::Cumulative,
    "delta" => Self::Delta,
);
