//! Thresholds as the specification has them.

use proptest::prelude::*;
use tailwater_engine::sampling::{Randomness, Threshold};

#[test]
fn shares_are_the_thresholds_that_other_samplers_use() {
    // The examples of OpenTelemetry's specification and of its Collector, at four digits.
    for (share, hex) in [
        (1.0, "0"),
        (0.5, "8"),
        (0.25, "c"),
        (0.1, "e666"),
        (0.05, "f3333"),
        (0.01, "fd70a"),
        (0.001, "ffbe77"),
        (1.0 / 3.0, "aaab"),
        (0.99, "028f6"),
        (0.999, "004189"),
    ] {
        let threshold = Threshold::of_share(share);
        assert_eq!(threshold.to_hex().as_deref(), Some(hex), "{share}");
        assert_eq!(Threshold::from_hex(hex), Some(threshold));
    }
}

#[test]
fn shares_at_the_edges() {
    assert_eq!(Threshold::of_share(0.0), Threshold::NEVER);
    assert_eq!(Threshold::of_share(-1.0), Threshold::NEVER);
    assert_eq!(Threshold::of_share(f64::NAN), Threshold::NEVER);
    assert_eq!(Threshold::of_share(f64::INFINITY), Threshold::ALWAYS);
    assert_eq!(Threshold::of_share(1e-300).to_hex().as_deref(), Some("ffffffffffffff"));
    assert_eq!(Threshold::NEVER.to_hex(), None);
    assert!(!Threshold::NEVER.admits(Randomness::from_hex("ffffffffffffff").unwrap()));
    assert!(Threshold::ALWAYS.admits(Randomness::from_hex("00000000000000").unwrap()));
    let smallest = Threshold::of_share(1e-300);
    assert!(smallest.admits(Randomness::from_hex("ffffffffffffff").unwrap()));
}

#[test]
fn adjusted_counts_are_the_quotient() {
    let count = |hex| Threshold::from_hex(hex).unwrap().adjusted_count();
    let is = |hex, expected: f64| assert!((count(hex) - expected).abs() < f64::EPSILON, "{hex}");
    is("0", 1.0);
    is("8", 2.0);
    is("c", 4.0);
    is("fc", 64.0);
    is("e666", 65_536.0 / f64::from(0x10000 - 0xe666));
    is("ffffffffffffff", 72_057_594_037_927_936.0);
}

#[test]
fn hex_is_read_strictly() {
    for bad in ["", "F", "0x8", "000000000000000", " 8", "g", "8 "] {
        assert_eq!(Threshold::from_hex(bad), None, "`{bad}`");
    }
    assert_eq!(Threshold::from_hex("80"), Threshold::from_hex("8"));
    assert_eq!(Randomness::from_hex("abc"), None);
    assert_eq!(Randomness::from_hex("ABCDEFABCDEFAB"), None);
    assert_eq!(Randomness::from_hex("0123456789abcd").unwrap().to_hex(), "0123456789abcd");
}

#[test]
fn randomness_is_the_low_seven_bytes_of_the_trace_id() {
    let mut id = [0xff; 16];
    id[9..].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(Randomness::of_trace_id(id).to_hex(), "01020304050607");
}

proptest! {
    /// A rounded threshold keeps a share within 1/2^13 of what was asked for, and its text is
    /// read back as itself.
    #[test]
    fn rounding_is_close(share in 1e-9_f64..1.0) {
        let threshold = Threshold::of_share(share);
        prop_assert!((threshold.share() / share - 1.0).abs() < 1.0 / 8_000.0);
        let hex = threshold.to_hex().unwrap();
        prop_assert!(hex.len() <= 14 && (hex == "0" || !hex.ends_with('0')));
        prop_assert_eq!(Threshold::from_hex(&hex), Some(threshold));
    }

    /// Whoever passes the tighter of two thresholds passes both.
    #[test]
    fn tightening_is_both(a in 0.0_f64..1.0, b in 0.0_f64..1.0, id: [u8; 16]) {
        let (a, b) = (Threshold::of_share(a), Threshold::of_share(b));
        let randomness = Randomness::of_trace_id(id);
        let both = a.admits(randomness) && b.admits(randomness);
        prop_assert_eq!(a.tightened(b).admits(randomness), both);
    }

    /// A fraction is the share.
    #[test]
    fn fractions_are_shares(kept in 1_u64..1_000_000, more in 0_u64..1_000_000_000) {
        let all = kept + more;
        let threshold = Threshold::of_fraction(kept, all);
        prop_assert!((threshold.share() * all as f64 / kept as f64 - 1.0).abs() < 1.0 / 8_000.0);
    }
}
