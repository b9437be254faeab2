//! Logarithms in whole numbers: the same bits on every machine, which a library's are not.

/// Fractional bits of the counts that [`log2`] takes.
pub(super) const COUNT_BITS: u32 = 20;

/// One, as a count.
pub(super) const ONE: u64 = 1 << COUNT_BITS;

/// Fractional bits of a logarithm.
pub(super) const LOG_BITS: u32 = 24;

/// The logarithm to base 2 of a count, with 24 fractional bits, rounded down; 0 up to one.
///
/// The whole part is the place of the highest bit; squaring the rest gives the fraction bit by
/// bit.
pub(super) fn log2(count: u64) -> u64 {
    if count <= ONE {
        return 0;
    }
    let top = count.ilog2();
    let mut result = u64::from(top - COUNT_BITS) << LOG_BITS;
    // In [1, 2) with 63 fractional bits.
    let mut rest = u128::from(count) << (63 - top);
    for bit in (0..LOG_BITS).rev() {
        rest = (rest * rest) >> 63;
        if rest >= 1 << 64 {
            rest >>= 1;
            result |= 1 << bit;
        }
    }
    result
}

#[test]
fn it_agrees_with_the_library() {
    for count in [1.0_f64, 1.5, 2.0, 3.0, 10.0, 999.0, 1e6, 1e12] {
        let ours = log2((count * ONE as f64) as u64) as f64 / f64::from(1 << LOG_BITS);
        assert!((ours - count.log2()).abs() < 2e-6, "{count}: {ours}");
    }
    assert_eq!(log2(0), 0);
    assert!(log2(u64::MAX) > 0);
}
