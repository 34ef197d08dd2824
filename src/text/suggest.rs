//! The known word that is closest to an unknown one.

use core::fmt;

/// The candidate that is closest to a word, by insertions, deletions, changes and swaps of neighbouring letters; `None` if that takes
/// more than a quarter of the letters of the longer word (rounded up). Case does not count. Of two equally close candidates, the first.
/// Does not use the heap.
pub fn nearest(word: &[u8], candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let mut best: Option<(&'static str, usize)> = None;
    for candidate in candidates {
        let quarter = word.len().max(candidate.len()).div_ceil(4);
        let limit = best.map_or(quarter, |(_, least)| quarter.min(least - 1));
        if word.len().abs_diff(candidate.len()) > limit {
            continue;
        }
        let Some(distance) = distance(word, candidate.as_bytes()) else { continue };
        if distance <= limit && distance < candidate.len() {
            if distance == 0 {
                return Some(candidate);
            }
            best = Some((candidate, distance));
        }
    }
    best.map(|(candidate, _)| candidate)
}

/// The number of insertions, deletions, changes and swaps of neighbouring letters between two words (optimal string alignment); `None`
/// if one of them is longer than any name.
fn distance(a: &[u8], b: &[u8]) -> Option<usize> {
    const ROW_LEN: usize = 48;
    if a.len() >= ROW_LEN || b.len() >= ROW_LEN {
        return None;
    }
    let same = |i: usize, j: usize| a[i].eq_ignore_ascii_case(&b[j]);
    let mut before = [0u8; ROW_LEN];
    let mut above: [u8; ROW_LEN] = core::array::from_fn(|at| at as u8);
    for i in 0..a.len() {
        let mut row = [0u8; ROW_LEN];
        row[0] = i as u8 + 1;
        for j in 0..b.len() {
            let changed = above[j] + u8::from(!same(i, j));
            let mut least = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && same(i, j - 1) && same(i - 1, j) {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        before = above;
        above = row;
    }
    Some(usize::from(above[b.len()]))
}

/// ` (nearest: x)`, or nothing.
pub(crate) struct Suggestion(pub(crate) Option<&'static str>);

impl fmt::Display for Suggestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " (nearest: {name})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, apart) in [
            ("", "", 0),
            ("", "user", 4),
            ("user", "", 4),
            ("user", "USER", 0),
            ("usr", "user", 1),
            ("userr", "user", 1),
            ("uzer", "user", 1),
            ("usre", "user", 1),
            ("suer", "user", 1),
            ("chroot", "group", 4),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), Some(apart), "{a} {b}");
        }
        assert_eq!(distance(&[b'a'; 48], b"a"), None);
        assert_eq!(distance(&[b'a'; 47], &[b'b'; 47]), Some(47));
    }

    #[test]
    fn nearest_is_close_or_nothing() {
        let options = ["user", "group", "chroot", "capabilities"];
        for (word, near) in [
            ("usr", Some("user")),
            ("grp", Some("group")),
            ("GRUOP", Some("group")),
            ("capabilites", Some("capabilities")),
            ("", None),
            ("x", None),
            ("privileges", None),
        ] {
            assert_eq!(nearest(word.as_bytes(), options.into_iter()), near, "{word}");
        }
        assert_eq!(nearest(&[b'u'; 1 << 16], options.into_iter()), None);
        assert_eq!(nearest(b"a", ["b"].into_iter()), None, "nothing of the word is left");
        assert_eq!(nearest(b"usir", ["chroot", "usor", "user"].into_iter()), Some("usor"), "of two alike the first");
        assert_eq!(nearest(b"USER", ["usor", "user", "usar"].into_iter()), Some("user"));
        assert_eq!(nearest(b"group", ["grops", "groups", "grou"].into_iter()), Some("groups"));
    }
}
