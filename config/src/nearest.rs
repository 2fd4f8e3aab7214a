//! What a misspelt word most likely stands for.

/// The key of `allowed` that `key` most likely stands for: the one with the smallest edit distance,
/// at most a third of its length.
pub fn nearest<'k>(key: &str, allowed: &[&'k str]) -> Option<&'k str> {
    let key = key.to_lowercase();
    allowed
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&key, known), *known))
        .filter(|(slips, known)| *slips <= known.len() / 3)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, known)| known)
}
