//! The nearest name.

/// The candidate most like a misspelt name, if any is like enough.
///
/// Transpositions count one (Damerau and Levenshtein); a third of the longer name may differ, at
/// least one letter, as a longer distance offers names that nobody meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let folded = name.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|&(distance, candidate)| {
            let allowed = (length.max(candidate.chars().count()) / 3).max(1);
            distance <= allowed || is_last_part(&folded, candidate)
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Whether a name is so near another that it can only be a slip: a third of its own length, where
/// other names are possible too.
pub(crate) fn is_very_near(name: &str, other: &str) -> bool {
    let distance = strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    distance <= (name.chars().count() / 3).max(1) || is_last_part(name, other)
}

/// Whether a dotted path ends in the name: `id` for `trace.id` is a likely slip.
fn is_last_part(name: &str, candidate: &str) -> bool {
    name.len() > 2 && candidate.rsplit_once('.').is_some_and(|(_, last)| last == name)
}

/// Names as a sentence lists them, at most `max`.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>, max: usize) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if names.len() > max {
        return format!("{}, … ({} in all)", names[..max].join(", "), names.len());
    }
    names.join(", ")
}
