//! Severities of logs, as words and as OpenTelemetry numbers (0 unspecified, 1 to 24).

/// The number of a severity word, whatever its case; `None` for a word that is not known.
///
/// ```
/// assert_eq!(echobase_ingest::severity::parse("WARNING"), Some(13));
/// assert_eq!(echobase_ingest::severity::parse("loud"), None);
/// ```
pub fn parse(word: &str) -> Option<u8> {
    const WORDS: [(&str, u8); 22] = [
        ("trace", 1),
        ("verbose", 1),
        ("debug", 5),
        ("fine", 5),
        ("info", 9),
        ("information", 9),
        ("informational", 9),
        ("log", 9),
        ("notice", 10),
        ("warn", 13),
        ("warning", 13),
        ("error", 17),
        ("err", 17),
        ("severe", 17),
        ("critical", 18),
        ("crit", 18),
        ("alert", 19),
        ("fatal", 21),
        ("panic", 21),
        ("emergency", 21),
        ("emerg", 21),
        ("unspecified", 0),
    ];
    let word = word.trim();
    if let Some((_, number)) = WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)) {
        return Some(*number);
    }
    // The finer steps of OpenTelemetry: TRACE2 to FATAL4.
    let (name, step) = word.split_at_checked(word.len().checked_sub(1)?)?;
    let step = step.parse::<u8>().ok().filter(|step| (1..=4).contains(step))?;
    let base = [("trace", 1), ("debug", 5), ("info", 9), ("warn", 13), ("error", 17), ("fatal", 21)];
    base.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, number)| number + step - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_loggers_have_one_number() {
        for (word, number) in [
            ("INFO", Some(9)),
            ("warning", Some(13)),
            ("Error", Some(17)),
            ("crit", Some(18)),
            ("INFO2", Some(10)),
            ("FATAL4", Some(24)),
            ("FATAL5", None),
            ("", None),
            ("ü", None),
            ("loud", None),
        ] {
            assert_eq!(parse(word), number, "{word}");
        }
    }
}
