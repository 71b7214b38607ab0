//! From a place within an expression to the line and column of the YAML text that holds it.

/// Line and column of the character `offset` of a scalar that begins at `line`:`column` (both from 1) of `text`.
/// Knows plain, quoted and block scalars; within escapes of a double-quoted scalar it may be a few columns off.
pub(super) fn within(text: &str, line: u64, column: u64, offset: usize) -> (u32, u32) {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let lines: Vec<&str> = text.split('\n').collect();
    let (line, column) =
        (usize::try_from(line).unwrap_or(1).max(1), usize::try_from(column).unwrap_or(1).max(1));
    let first = lines.get(line - 1).copied().unwrap_or_default();
    let opening = first.chars().nth(column - 1);
    let is_block = matches!(opening, Some('|' | '>'));
    // A block begins on the line below its mark; a quoted scalar one column further.
    let mut at = if is_block { line } else { line - 1 };
    let mut left = offset;
    let mut start = if is_block { 0 } else { column - 1 + usize::from(matches!(opening, Some('"' | '\''))) };
    loop {
        let Some(content) = lines.get(at) else { return (narrow(line), narrow(column)) };
        if is_block || at > line - 1 {
            start = content.chars().take_while(|c| c.is_whitespace()).count();
        }
        let length = content.trim_end().chars().count().saturating_sub(start);
        if left <= length || at + 1 >= lines.len() {
            return (narrow(at + 1), narrow(start + left + 1));
        }
        // One line break or the space it is folded to.
        left -= length + 1;
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_every_form_of_scalar() {
        for (text, line, column, offset, expected) in [
            ("when: a < b\n", 1, 7, 4, (1, 11)),
            ("when: \"a < b\"\n", 1, 7, 4, (1, 12)),
            ("x: 1\nwhen: |\n  a <\n  b\n", 2, 7, 4, (4, 3)),
            ("x: 1\nwhen: >-\n    a <\n    b\n", 2, 7, 2, (3, 7)),
            ("when: a <\n  b c\n", 1, 7, 6, (2, 5)),
            ("", 7, 9, 3, (7, 9)),
        ] {
            assert_eq!(within(text, line, column, offset), expected, "{text:?} {offset}");
        }
    }
}
