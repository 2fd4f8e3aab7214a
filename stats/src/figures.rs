//! Structs of figures of a histogram that are null in JSON when nothing was measured.

use serde::Deserialize;

/// Figures of a histogram: all 0 when `count` is, and then null in JSON.
macro_rules! figures {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// How many values.
            pub count: u64,
            $($(#[$doc])* #[serde(deserialize_with = "crate::figures::or_zero")] pub $field: $type,)+
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let is_known = self.count > 0;
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("count", &self.count)?;
                $(map.serialize_entry(stringify!($field), &is_known.then_some(self.$field))?;)+
                map.end()
            }
        }
    };
}
pub(crate) use figures;

/// A figure; 0 for null.
pub(crate) fn or_zero<'de, T, D>(reader: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Ok(Option::deserialize(reader)?.unwrap_or_default())
}
