//! Names of tables and columns in messages.

/// Names past this many are counted only.
const LISTED_MAX: usize = 20;

/// The names, as a message lists them.
pub(in crate::source) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(LISTED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(LISTED_MAX) {
        None | Some(0) if names.is_empty() => "none".to_owned(),
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// What to add to a message that `wanted` is none of `names`, where it is probably a slip of one.
pub(in crate::source) fn closest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> String {
    let distance = |name: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &wanted.to_lowercase());
    let near = names.map(|name| (distance(name), name)).min().filter(|(far, _)| *far <= 3);
    near.map_or(String::new(), |(_, name)| format!("; did you mean {name}?"))
}
