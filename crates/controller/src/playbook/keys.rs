//! Keys that the form does not have. All of them are found, whatever else is wrong with the text.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// The shape of a text: its keys with their places, and no values.
pub(super) enum Shape {
    Map(Vec<(Spanned<String>, Shape)>),
    List(Vec<Shape>),
    Leaf,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;
        impl<'de> Visitor<'de> for Look {
            type Value = Shape;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Shape::Map(all))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = list.next_element()? {
                    all.push(item);
                }
                Ok(Shape::List(all))
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
                deserializer.deserialize_any(self)
            }
            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_none<E>(self) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_i128<E>(self, _: i128) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_u128<E>(self, _: u128) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
            fn visit_bytes<E>(self, _: &[u8]) -> Result<Shape, E> {
                Ok(Shape::Leaf)
            }
        }
        deserializer.deserialize_any(Look)
    }
}

impl Shape {
    /// What stands below a key.
    pub(super) fn below(&self, key: &str) -> &Self {
        let Self::Map(all) = self else { return &Self::Leaf };
        all.iter().find(|(found, _)| found.value == key).map_or(&Self::Leaf, |(_, value)| value)
    }

    /// The members of a list.
    pub(super) fn members(&self) -> &[Self] {
        if let Self::List(all) = self { all } else { &[] }
    }

    /// The keys here that a form does not have: where, and what there is instead.
    pub(super) fn strangers<Form: JsonSchema>(&self) -> Vec<(Location, &str, String)> {
        let Self::Map(all) = self else { return Vec::new() };
        // The schema is the list of keys: there is no second one to forget.
        let schema = schemars::schema_for!(Form);
        let known: Vec<&str> = schema
            .get("properties")
            .and_then(|p| p.as_object())
            .map(|p| p.keys().map(String::as_str).collect())
            .unwrap_or_default();
        all.iter()
            .filter(|(key, _)| !known.contains(&key.value.as_str()))
            .map(|(key, _)| {
                let words = format!("there is no key `{}`; there are {}", key.value, known.join(", "));
                (key.referenced, key.value.as_str(), words)
            })
            .collect()
    }
}
