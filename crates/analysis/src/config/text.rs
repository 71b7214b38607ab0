//! Values that configuration writes as words.

/// Durations as `500ms`, `5s`, `10m`, `12h`, `7d`.
pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    const UNITS: [(&str, u64); 5] =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = UNITS.into_iter().find(|(_, size)| millis % size == 0).unwrap_or(("ms", 1));
        to.collect_str(&format_args!("{}{unit}", millis / size))
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration such as 500ms, 5s, 10m, 7d")))
    }

    fn parse(text: &str) -> Option<Duration> {
        let split = text.find(|c: char| !c.is_ascii_digit())?;
        let (digits, unit) = text.split_at(split);
        let size = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?.1;
        digits.parse::<u64>().ok()?.checked_mul(size).map(Duration::from_millis)
    }
}

/// Vital signs by their word.
pub(super) mod vital {
    use echobase_types::assessment::Vital;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(value: &Vital, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.as_str())
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vital, D::Error> {
        let word = String::deserialize(from)?;
        Vital::parse(&word).ok_or_else(|| {
            let all: Vec<&str> = Vital::ALL.iter().map(|v| v.as_str()).collect();
            D::Error::custom(format!("`{word}` is not a vital sign; use one of {}", all.join(", ")))
        })
    }
}
