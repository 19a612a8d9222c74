//! Reading the symbols of an enum: from Avro an unknown one is the enum's default, from JSON it is an error.

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, VariantAccess, Visitor},
};
use std::fmt;

/// Reads a symbol. `default` is the enum's default, for a record that a newer program wrote.
pub fn read<'de, D: Deserializer<'de>, T: Copy>(
    from: D,
    name: &'static str,
    symbols: &'static [&'static str],
    of: fn(&str) -> Option<T>,
    default: Option<T>,
) -> Result<T, D::Error> {
    // A person who mistypes a symbol is told so; a machine that is ahead of this one is not.
    let default = if from.is_human_readable() { None } else { default };
    from.deserialize_enum(name, symbols, Symbol { symbols, of, default })
}

#[derive(Clone, Copy)]
struct Symbol<T> {
    symbols: &'static [&'static str],
    of: fn(&str) -> Option<T>,
    default: Option<T>,
}

impl<'de, T: Copy> Visitor<'de> for Symbol<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.symbols.join(", "))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<T, A::Error> {
        let (value, rest) = access.variant_seed(self)?;
        rest.unit_variant()?;
        Ok(value)
    }

    fn visit_str<E: Error>(self, symbol: &str) -> Result<T, E> {
        (self.of)(symbol).or(self.default).ok_or_else(|| E::unknown_variant(symbol, self.symbols))
    }

    /// Compact formats write the place instead of the symbol.
    fn visit_u64<E: Error>(self, place: u64) -> Result<T, E> {
        let symbol = usize::try_from(place).ok().and_then(|place| self.symbols.get(place));
        self.visit_str(symbol.copied().unwrap_or_default())
    }
}

impl<'de, T: Copy> DeserializeSeed<'de> for Symbol<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        from.deserialize_identifier(self)
    }
}
