//! Hashes and encodings of texts and bytes.

use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{FunctionDef, Kind, Param, bounded, define_fixed as define};
use crate::limits::FUNCTION_TEXT_BYTES_MAX;
use crate::model::Value::{self, Bytes, Int, Null, Str};

const DATA: Param = Param::new("data", &[Kind::Text, Kind::Bytes]);
const TEXT: Param = Param::new("text", &[Kind::Text]);

pub(super) static FUNCTIONS: &[FunctionDef] = &[
    define(
        "sha256",
        &[DATA],
        Kind::Text,
        "The SHA-256 digest in lower-case hex.",
        (
            r#"sha256("abc")"#,
            r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#,
        ),
        |args| data(args, |bytes| Value::str(&hex(&Sha256::digest(bytes)))),
    ),
    define(
        "sha512",
        &[DATA],
        Kind::Text,
        "The SHA-512 digest in lower-case hex.",
        (
            r#"sha512("abc")"#,
            concat!(
                "\"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f\"",
            ),
        ),
        |args| data(args, |bytes| Value::str(&hex(&Sha512::digest(bytes)))),
    ),
    define(
        "sha1",
        &[DATA],
        Kind::Text,
        "The SHA-1 digest in lower-case hex, to compare with what others wrote; not for secrets.",
        (r#"sha1("abc")"#, r#""a9993e364706816aba3e25717850c26c9cd0d89d""#),
        |args| data(args, |bytes| Value::str(&hex(&Sha1::digest(bytes)))),
    ),
    define(
        "md5",
        &[DATA],
        Kind::Text,
        "The MD5 digest in lower-case hex, to compare with what others wrote; not for secrets.",
        (r#"md5("abc")"#, r#""900150983cd24fb0d6963f7d28e17f72""#),
        |args| data(args, |bytes| Value::str(&hex(&Md5::digest(bytes)))),
    ),
    define(
        "is_luhn",
        &[TEXT],
        Kind::Bool,
        "Whether the digits of the text, spaces and hyphens aside, end in their Luhn check digit.",
        (r#"is_luhn("4111 1111 1111 1111")"#, "true"),
        |args| if let [Str(text)] = args { Value::Bool(is_luhn(text)) } else { Null },
    ),
    define(
        "xxh3",
        &[DATA],
        Kind::Int,
        "The 64-bit xxh3 hash; fast, not for secrets.",
        (r#"xxh3("")"#, "3244421341483603138"),
        |args| data(args, |bytes| Int(xxhash_rust::xxh3::xxh3_64(bytes).cast_signed())),
    ),
    define(
        "crc32",
        &[DATA],
        Kind::Int,
        "The CRC-32 of IEEE 802.3, as in gzip.",
        (r#"crc32("123456789")"#, "3421780262"),
        |args| data(args, |bytes| Int(crc32fast::hash(bytes).into())),
    ),
    define(
        "fnv1a",
        &[DATA],
        Kind::Int,
        "The 64-bit FNV-1a hash; not for secrets.",
        (r#"fnv1a("a")"#, "-5808556873153909620"),
        |args| {
            // Offset and prime of the FNV specification, 64 bits.
            let step = |hash: u64, byte: &u8| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            };
            data(args, |bytes| Int(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step).cast_signed()))
        },
    ),
    define(
        "hex",
        &[DATA],
        Kind::Text,
        "The bytes in lower-case hex.",
        (r#"hex("AZ")"#, r#""415a""#),
        |args| data(args, |bytes| Value::str(&hex(bytes))),
    )
    .nullable(),
    define(
        "from_hex",
        &[TEXT],
        Kind::Bytes,
        "The bytes of a text of hex digits; null where it is none.",
        (r#"from_hex("41FF")"#, r#""41ff""#),
        |args| if let [Str(text)] = args { from_hex(text) } else { Null },
    )
    .nullable(),
    define(
        "base64_encode",
        &[DATA],
        Kind::Text,
        "The bytes in base64 with padding.",
        (r#"base64_encode("hi")"#, r#""aGk=""#),
        |args| data(args, |bytes| bounded(&STANDARD.encode(bytes))),
    )
    .nullable(),
    define(
        "base64_decode",
        &[TEXT],
        Kind::Text,
        "The text in base64, standard or URL-safe; null where it is none or no UTF-8.",
        (r#"base64_decode("aGk=")"#, r#""hi""#),
        |args| if let [Str(text)] = args { from_base64(text) } else { Null },
    )
    .nullable(),
];

fn data(args: &[Value], f: impl FnOnce(&[u8]) -> Value) -> Value {
    match args {
        [Str(text)] if text.len() <= FUNCTION_TEXT_BYTES_MAX => f(text.as_bytes()),
        [Bytes(bytes)] if bytes.len() <= FUNCTION_TEXT_BYTES_MAX => f(bytes),
        _ => Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn from_hex(text: &str) -> Value {
    let digit = |digit: u8| (digit as char).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [a, b] => Some((digit(*a)? << 4 | digit(*b)?) as u8),
        _ => None,
    };
    let bytes: Option<Arc<[u8]>> = text.as_bytes().chunks(2).map(pair).collect();
    bytes.map_or(Null, Bytes)
}

fn from_base64(text: &str) -> Value {
    let bare = text.trim_end_matches('=');
    let decoded = STANDARD_NO_PAD.decode(bare).or_else(|_| URL_SAFE_NO_PAD.decode(bare));
    let text = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map_or(Null, |text| bounded(&text))
}

/// ISO/IEC 7812-1, annex B: from the right, every second digit counts twice.
fn is_luhn(text: &str) -> bool {
    let (mut sum, mut count) = (0, 0_usize);
    for c in text.chars().rev().filter(|c| !matches!(c, ' ' | '-')) {
        let Some(digit) = c.to_digit(10) else { return false };
        let doubled = if count % 2 == 1 { digit * 2 } else { digit };
        sum = (sum + doubled / 10 + doubled % 10) % 10;
        count += 1;
    }
    count > 1 && sum == 0
}
