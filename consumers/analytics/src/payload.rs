//! The JSON of a payload, straight from its bytes.
//!
//! `schemas::json::payload` says what the JSON of a record is; this says the same several times faster, because it
//! builds no value in between, and a rebuild of the store reads every event there is. Where it does not know how, it
//! asks there, so every error is that one's. A test compares the two.

use schemas::{
    CodecError, SchemaId, codec,
    gate::{
        self,
        model::{Field, Form, Type},
    },
    json,
};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::{fmt, sync::LazyLock};
use uuid::Uuid;

/// Decodes a record of any known schema into JSON text.
pub(crate) fn to_json(wire: &[u8]) -> Result<String, CodecError> {
    match fast(wire) {
        Some(text) => Ok(text),
        None => json::payload(wire).map(|value| value.to_string()),
    }
}

fn fast(wire: &[u8]) -> Option<String> {
    let (id, datum) = codec::split(wire).ok()?;
    let fields = fields(id)?;
    let mut writer = Writer { datum, out: Vec::with_capacity(datum.len() * 2 + 64) };
    writer.record(fields)?;
    // Every text was checked on its way, this is the proof.
    if writer.datum.is_empty() { String::from_utf8(writer.out).ok() } else { None }
}

/// The fields of a schema's record.
fn fields(id: SchemaId) -> Option<&'static [Field]> {
    static SCHEMAS: LazyLock<Vec<Option<Vec<Field>>>> = LazyLock::new(|| {
        let mut all = Vec::new();
        for locked in schemas::locked() {
            let place = locked.id.0 as usize;
            all.resize_with(all.len().max(place + 1), || None);
            all[place] = gate::parse(&locked.schema).ok().map(|schema| schema.record.fields);
        }
        all
    });
    SCHEMAS.get(id.0 as usize)?.as_deref()
}

/// Reads Avro and writes JSON; `None` wherever something is odd.
struct Writer<'a> {
    datum: &'a [u8],
    out: Vec<u8>,
}

impl Writer<'_> {
    fn record(&mut self, fields: &[Field]) -> Option<()> {
        self.out.push(b'{');
        for (place, field) in fields.iter().enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            // Names of fields are names in Avro, which need no escaping.
            self.out.push(b'"');
            self.out.extend_from_slice(field.name.as_bytes());
            self.out.extend_from_slice(b"\":");
            let start = self.out.len();
            self.value(&field.ty)?;
            if field.secret && self.out.get(start..) != Some(b"null") {
                self.out.truncate(start);
                self.out.extend_from_slice(b"\"[secret]\"");
            }
        }
        self.out.push(b'}');
        // What is larger than any record may be is not taken apart here.
        (self.out.len() <= 4 * codec::MAX_DATUM_BYTES).then_some(())
    }

    fn value(&mut self, ty: &Type) -> Option<()> {
        match ty {
            Type::Boolean => {
                let text: &[u8] = match self.take(1)? {
                    [0] => b"false",
                    [1] => b"true",
                    _ => return None,
                };
                self.out.extend_from_slice(text);
            }
            Type::Int(_) => {
                let number = i32::try_from(self.long()?).ok()?;
                self.json(&number)?;
            }
            Type::Long(_) => {
                let number = self.long()?;
                self.json(&number)?;
            }
            Type::Double(_) => {
                let number = f64::from_le_bytes(self.take(8)?.try_into().ok()?);
                if number.is_finite() { self.json(&number)? } else { self.json(&number.to_string())? }
            }
            Type::Text(Form::Json) => {
                let text = self.text()?;
                match serde_json::from_str::<Valid>(text) {
                    Ok(Valid) => self.out.extend_from_slice(text.as_bytes()),
                    Err(_) => self.json(text)?,
                }
            }
            Type::Text(_) => {
                let text = self.text()?;
                self.json(text)?;
            }
            Type::Time => {
                let micros = self.long()?;
                self.json(&json::time(micros))?;
            }
            Type::Uuid => {
                let uuid = Uuid::from_slice(self.take(16)?).ok()?;
                self.json(uuid.hyphenated().encode_lower(&mut Uuid::encode_buffer()) as &str)?;
            }
            Type::Enum(symbols) => {
                let symbol = symbols.symbols.get(usize::try_from(self.long()?).ok()?)?;
                self.json(symbol)?;
            }
            Type::Record(record) => self.record(&record.fields)?,
            Type::Array(items) => self.array(items)?,
            Type::Optional(inner) => match self.long()? {
                0 => self.out.extend_from_slice(b"null"),
                1 => self.value(inner)?,
                _ => return None,
            },
            // Rare, and how they look is decided elsewhere.
            Type::Bytes => return None,
        }
        Some(())
    }

    fn array(&mut self, items: &Type) -> Option<()> {
        self.out.push(b'[');
        let mut first = true;
        loop {
            let mut count = self.long()?;
            if count < 0 {
                // A negative count is followed by the size of its block.
                count = count.checked_neg()?;
                self.long()?;
            }
            if count == 0 {
                break;
            }
            for _ in 0..count {
                if !std::mem::take(&mut first) {
                    self.out.push(b',');
                }
                self.value(items)?;
                if self.out.len() > 4 * codec::MAX_DATUM_BYTES {
                    return None;
                }
            }
        }
        self.out.push(b']');
        Some(())
    }

    fn json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Option<()> {
        serde_json::to_writer(&mut self.out, value).ok()
    }

    /// A zigzag varint.
    fn long(&mut self) -> Option<i64> {
        let mut bits = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            let part = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && part > 1 {
                return None;
            }
            bits |= part << shift;
            if byte & 0x80 == 0 {
                return Some((bits >> 1) as i64 ^ -((bits & 1) as i64));
            }
        }
        None
    }
}

impl<'a> Writer<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.datum.split_at_checked(count)?;
        self.datum = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.long()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}

/// Any JSON that `serde_json::Value` could hold; nothing is kept of it.
struct Valid;

impl<'de> Deserialize<'de> for Valid {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Valid {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use schemas::{Message, telemetry, work};
    use serde_json::Value;

    /// Records with everything that their schemas can hold.
    fn samples() -> Vec<Vec<u8>> {
        let mut samples = Vec::new();
        let mut add = |encode: &dyn Fn(&mut Vec<u8>)| {
            let mut wire = Vec::new();
            encode(&mut wire);
            samples.push(wire);
        };
        for config in ["{}", r#"{"a":[1,-2.5e3,null,true,"\u00e9\n"],"b":{"c":"d"}}"#, "no json", "1e400", ""] {
            let submitted = work::JobSubmitted {
                job_id: Uuid::from_u128(7).to_string(),
                queue: "it's \"q\" \\ \u{1F600}\n\0".to_owned(),
                kind: String::new(),
                priority: work::Priority::Critical,
                config: config.to_owned(),
                max_attempts: -3,
            };
            add(&|out| submitted.encode(out).unwrap());
        }
        for value in [0.1, -0.0, f64::MAX, f64::NAN, f64::INFINITY, 1e21] {
            let point =
                |step| telemetry::MetricPoint { job_id: "j".into(), name: "n".into(), step, value, at: 1_795_226_400_000_001 };
            let points = telemetry::MetricPoints {
                source: "s".to_owned(),
                batch_id: Uuid::from_u128(u128::MAX),
                points: vec![point(i64::MIN), point(i64::MAX), point(0)],
            };
            add(&|out| points.encode(out).unwrap());
        }
        let line = |at| telemetry::LogLine { job_id: "j".into(), level: telemetry::Level::Warn, message: "m".into(), at };
        for at in [0, -1, i64::MAX, i64::MIN] {
            let lines = telemetry::LogLines { source: "s".to_owned(), batch_id: Uuid::nil(), lines: vec![line(at)] };
            add(&|out| lines.encode(out).unwrap());
        }
        let cancelled =
            |reason: Option<&str>| work::CancelJob { job_id: Uuid::nil().to_string(), reason: reason.map(str::to_owned) };
        add(&|out| cancelled(None).encode(out).unwrap());
        add(&|out| cancelled(Some("enough")).encode(out).unwrap());
        samples
    }

    /// Both ways agree, in the answer and in the refusal. Says whether it was an answer.
    fn agree(wire: &[u8]) -> bool {
        match (to_json(wire), json::payload(wire)) {
            (Ok(text), Ok(value)) => {
                assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "{wire:?}");
                true
            }
            (Err(ours), Err(theirs)) => {
                assert_eq!(ours.to_string(), theirs.to_string());
                false
            }
            (ours, theirs) => panic!("{ours:?} and {theirs:?} for {wire:?}"),
        }
    }

    #[test]
    fn whole_records_need_no_second_way() {
        for wire in samples() {
            assert!(fast(&wire).is_some() && agree(&wire), "{wire:?}");
        }
    }

    #[test]
    fn every_golden_record_has_the_same_json() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/golden");
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text: String = std::fs::read_to_string(file.unwrap().path()).unwrap().split_whitespace().collect();
            let wire: Vec<u8> = (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect();
            assert!(agree(&wire));
            count += 1;
        }
        assert!(count > 20, "{count} golden records");
    }

    #[test]
    fn damaged_records_are_refused_or_read_alike() {
        let (mut answers, mut refusals) = (0, 0);
        for wire in samples() {
            for place in 0..wire.len() {
                let mut damaged = vec![wire[..place].to_vec()];
                for change in [0x01, 0x02, 0x80, 0xff] {
                    let mut copy = wire.clone();
                    copy[place] ^= change;
                    damaged.push(copy);
                }
                for wire in damaged {
                    if agree(&wire) { answers += 1 } else { refusals += 1 }
                }
            }
        }
        assert!(answers > 100 && refusals > 100, "{answers} and {refusals}");
    }

    #[test]
    fn secrets_are_hidden() {
        let document = serde_json::json!({
            "type": "record", "namespace": "work", "name": "Opened", "doc": "d", "kind": "event", "aggregate": "job", "id": "a",
            "fields": [
                { "name": "a", "type": "string", "doc": "d", "pattern": "name" },
                { "name": "key", "type": "string", "doc": "d", "secret": true },
                { "name": "spare", "type": ["null", "string"], "doc": "d", "default": null, "secret": true }
            ]
        });
        let schema = gate::parse(&document).unwrap();
        let mut writer = Writer { datum: b"\x02x\x06abc\x00", out: Vec::new() };
        writer.record(&schema.record.fields).unwrap();
        assert_eq!(String::from_utf8(writer.out).unwrap(), r#"{"a":"x","key":"[secret]","spare":null}"#);
    }
}
