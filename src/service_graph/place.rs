//! Things in a fixed order on a line: each as near to where it wants to be as the others allow.
//!
//! Moved by their neighbours' sizes, wishes become a question of isotonic regression: the nearest
//! sequence that never falls. Pooling adjacent violators (Ayer et al. 1955) answers it exactly.

/// Middles of things that want to be at `wanted` and take so much room each, in the given order.
pub(super) fn settle(wanted: &[f64], sizes: &[f64]) -> Vec<f64> {
    // Distance of each middle from the first one when all lie close together.
    let mut offsets = Vec::with_capacity(sizes.len());
    let mut at = 0.0;
    for (place, size) in sizes.iter().enumerate() {
        at += if place > 0 { (sizes[place - 1] + size) / 2.0 } else { 0.0 };
        offsets.push(at);
    }
    // Runs of things that lie close together: the sum of what they want, and how many they are.
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for (want, offset) in wanted.iter().zip(&offsets) {
        let mut run = (want - offset, 1);
        while let Some(&last) = runs.last()
            && last.0 / last.1 as f64 >= run.0 / run.1 as f64
        {
            run = (run.0 + last.0, run.1 + last.1);
            runs.pop();
        }
        runs.push(run);
    }
    let middles = runs.iter().flat_map(|&(sum, count)| vec![sum / count as f64; count]);
    middles.zip(offsets).map(|(middle, offset)| middle + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::settle;

    #[test]
    fn things_stand_where_they_want_if_there_is_room() {
        assert_eq!(settle(&[0.0, 50.0, 100.0], &[10.0; 3]), [0.0, 50.0, 100.0]);
        assert!(settle(&[], &[]).is_empty());
    }

    #[test]
    fn things_in_each_others_way_share_the_way_to_go() {
        assert_eq!(settle(&[0.0, 0.0, 100.0], &[10.0; 3]), [-5.0, 5.0, 100.0]);
        assert_eq!(settle(&[20.0, 0.0], &[10.0, 30.0]), [0.0, 20.0]);
    }
}
