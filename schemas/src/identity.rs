//! Deterministic identities and the placement of aggregates.

use uuid::Uuid;

/// Key of an aggregate's records: `tenant/type/id`.
pub fn key(tenant: &str, aggregate_type: &str, aggregate_id: &str) -> String {
    format!("{tenant}/{aggregate_type}/{aggregate_id}")
}

/// Identity of a command that came with an `Idempotency-Key`: the same (tenant, type, key) is the same command.
pub fn command_id(tenant: &str, command_type: &str, idempotency_key: &str) -> Uuid {
    // The lengths keep ("a", "bc") and ("ab", "c") apart.
    let name = format!("{}:{tenant}{}:{command_type}{idempotency_key}", tenant.len(), command_type.len());
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
}

/// Identity of an aggregate whose creator named none: derived from the command, so that a repeat means the same one.
pub fn aggregate_id(command: Uuid) -> Uuid {
    Uuid::new_v5(&command, b"aggregate")
}

/// Partition of a key: Java's murmur2, as Kafka's own clients compute it (`Utils.murmur2`), positive, modulo.
pub fn partition(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let (chunks, tail) = data.as_chunks::<4>();
    for chunk in chunks {
        let mut k = u32::from_le_bytes(*chunk).wrapping_mul(M);
        k = (k ^ (k >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    if !tail.is_empty() {
        for (place, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_java() {
        // Vectors of Apache Kafka's UtilsTest.testMurmur2.
        for (text, hash) in
            [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536), ("abc", 479_470_107)]
        {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }

    #[test]
    fn identities_do_not_collide_where_their_parts_run_together() {
        assert_ne!(command_id("a", "bc", "d"), command_id("ab", "c", "d"));
        assert_ne!(command_id("a", "b", "cd"), command_id("a", "bc", "d"));
    }
}
