//! The nearest name.

/// Candidates that are looked at for one name: a suggestion is not worth a long search.
const CANDIDATES_MAX: usize = 4_096;

/// Nearest names that are tried where not each of them fits.
const TRIED_MAX: usize = 3;

/// The candidate most like a misspelt name, if any is like enough.
///
/// Transpositions of neighbours count one (optimal string alignment); a third of the longer name
/// may differ, at least one letter, as a longer distance offers names that nobody meant. Of two
/// that are as far, the one with more of the same letters is meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    ranked(name, candidates).min().map(|(.., candidate)| candidate)
}

/// The nearest candidate that fits, of the few that are nearest.
pub(crate) fn nearest_that<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    fits: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    let mut near: Vec<_> = ranked(name, candidates).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(TRIED_MAX).map(|(.., name)| name).find(|name| fits(name))
}

/// Candidates like enough, with how far they are.
fn ranked<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = (usize, u32, &'a str)> {
    let folded = name.to_lowercase();
    let own = name.to_owned();
    candidates
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(move |candidate| *candidate != own)
        .filter_map(move |candidate| {
            let other = candidate.to_lowercase();
            let allowed = (folded.chars().count().max(other.chars().count()) / 3).max(1);
            match distance(&folded, &other, allowed) {
                Some(distance) => Some((distance, differing(&folded, &other), candidate)),
                None => is_last_part(&folded, candidate).then_some((usize::MAX, 0, candidate)),
            }
        })
}

/// `; did you mean …?` to stand behind an error's text; nothing where nothing is near.
pub fn aside(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// Whether a name is so near another that it can only be a slip: a third of its own length, where
/// other names are possible too.
pub(crate) fn is_very_near(name: &str, other: &str) -> bool {
    let allowed = (name.chars().count() / 3).max(1);
    distance(&name.to_lowercase(), &other.to_lowercase(), allowed).is_some()
        || is_last_part(name, other)
}

/// Edits between two texts, if at most so many. Letters are counted first: far the most pairs
/// differ in more of them than that.
fn distance(a: &str, b: &str, allowed: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > 4 * allowed {
        return None;
    }
    // One edit changes at most two counts of a letter, each of at most four bytes.
    let differing = differing(a, b);
    if differing as usize > 8 * allowed || (a.is_ascii() && differing as usize > 2 * allowed) {
        return None;
    }
    Some(strsim::osa_distance(a, b)).filter(|distance| *distance <= allowed)
}

/// How many letters one text has and the other has not, wherever they stand.
fn differing(a: &str, b: &str) -> u32 {
    let mut letters = [0_i32; 256];
    for byte in a.bytes() {
        letters[usize::from(byte)] += 1;
    }
    for byte in b.bytes() {
        letters[usize::from(byte)] -= 1;
    }
    letters.iter().map(|count| count.unsigned_abs()).sum()
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
