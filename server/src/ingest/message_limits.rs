//! Limits the number of messages in a batch before they take memory: an empty one is 2 bytes on the
//! wire and a few hundred once decoded.

use super::batch_check::{COUNTS_MAX, EVENTS_MAX, SECONDS_MAX};

/// Maximum number of messages in one batch: a second of 2 000 names with all their phases has 60
/// 000.
const MESSAGES_MAX: usize = 200_000;

/// The repeated fields of a message that hold messages or texts, each with its maximum per message
/// where that is lower than the limit of the batch.
struct MessageLimits(&'static [(u64, usize, &'static MessageLimits)]);

static LEAF: MessageLimits = MessageLimits(&[]);
static NAME: MessageLimits = MessageLimits(&[
    (9, COUNTS_MAX, &LEAF),
    (10, COUNTS_MAX, &LEAF),
    (11, COUNTS_MAX, &LEAF),
]);
static SECOND: MessageLimits = MessageLimits(&[
    (14, MESSAGES_MAX, &LEAF),
    (15, MESSAGES_MAX, &LEAF),
    (17, MESSAGES_MAX, &NAME),
    (18, MESSAGES_MAX, &LEAF),
    (19, MESSAGES_MAX, &LEAF),
]);
static START: MessageLimits = MessageLimits(&[
    (12, MESSAGES_MAX, &LEAF),
    (13, MESSAGES_MAX, &LEAF),
    (14, MESSAGES_MAX, &LEAF),
]);
static REASON: MessageLimits = MessageLimits(&[(3, MESSAGES_MAX, &LEAF)]);
static END: MessageLimits = MessageLimits(&[
    (4, MESSAGES_MAX, &REASON),
    (5, MESSAGES_MAX, &REASON),
    (6, MESSAGES_MAX, &LEAF),
]);
static BATCH: MessageLimits = MessageLimits(&[
    (7, 1, &START),
    (8, SECONDS_MAX, &SECOND),
    (9, EVENTS_MAX, &LEAF),
    (10, 1, &END),
]);

/// Checks that the bytes of a batch do not exceed the limits.
///
/// # Errors
/// Which limit is exceeded, or that the bytes are not a message.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    walk(bytes, &BATCH, &mut 0)
}

fn walk(mut bytes: &[u8], limits: &MessageLimits, messages: &mut usize) -> Result<(), String> {
    let mut counts = [0_usize; 8];
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let (tag, kind) = (key >> 3, key & 7);
        let skipped = match kind {
            0 => {
                varint(&mut bytes)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).unwrap_or(usize::MAX),
            5 => 4,
            _ => return Err("the body is not a batch: a field of unknown wire type".to_owned()),
        };
        let (inner, rest) = bytes.split_at_checked(skipped).ok_or_else(cut_off)?;
        bytes = rest;
        let index = limits.0.iter().position(|(field, _, _)| *field == tag);
        let Some(index) = index.filter(|_| kind == 2) else {
            continue;
        };
        let (_, max, inner_limits) = limits.0[index];
        counts[index] += 1;
        *messages += 1;
        if counts[index] > max || *messages > MESSAGES_MAX {
            let max = max.min(MESSAGES_MAX);
            return Err(format!("field {tag}: more than {max} in one batch"));
        }
        if !inner_limits.0.is_empty() {
            walk(inner, inner_limits, messages)?;
        }
    }
    Ok(())
}

fn cut_off() -> String {
    "the body is not a batch: it is truncated".to_owned()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for byte_index in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or_else(cut_off)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * byte_index);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("the body is not a batch: an unterminated number".to_owned())
}
