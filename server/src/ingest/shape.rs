//! How many messages a batch holds, counted before they take memory: an empty one is 2 bytes on
//! the wire and some hundred once it is read.

use super::check::{COUNTS_MAX, EVENTS_MAX, SECONDS_MAX};

/// Messages within one batch: a second of 2 000 names with all their phases is 60 000.
const MESSAGES_MAX: usize = 200_000;

/// The fields of a message that hold messages or texts in lists, with how many in one message,
/// where its bound is lower than that of the batch.
struct Shape(&'static [(u64, usize, &'static Shape)]);

static LEAF: Shape = Shape(&[]);
static NAME: Shape = Shape(&[
    (9, COUNTS_MAX, &LEAF),
    (10, COUNTS_MAX, &LEAF),
    (11, COUNTS_MAX, &LEAF),
]);
static SECOND: Shape = Shape(&[
    (14, MESSAGES_MAX, &LEAF),
    (15, MESSAGES_MAX, &LEAF),
    (17, MESSAGES_MAX, &NAME),
    (18, MESSAGES_MAX, &LEAF),
    (19, MESSAGES_MAX, &LEAF),
]);
static START: Shape = Shape(&[
    (12, MESSAGES_MAX, &LEAF),
    (13, MESSAGES_MAX, &LEAF),
    (14, MESSAGES_MAX, &LEAF),
]);
static REASON: Shape = Shape(&[(3, MESSAGES_MAX, &LEAF)]);
static END: Shape = Shape(&[
    (4, MESSAGES_MAX, &REASON),
    (5, MESSAGES_MAX, &REASON),
    (6, MESSAGES_MAX, &LEAF),
]);
static BATCH: Shape = Shape(&[
    (7, 1, &START),
    (8, SECONDS_MAX, &SECOND),
    (9, EVENTS_MAX, &LEAF),
    (10, 1, &END),
]);

/// Whether the bytes of a batch hold no more than a batch may.
///
/// # Errors
/// What there is too much of, or that the bytes are none of a message.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    walk(bytes, &BATCH, &mut 0)
}

fn walk(mut bytes: &[u8], shape: &Shape, messages: &mut usize) -> Result<(), String> {
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
            _ => return Err("the body is not a batch: a field of no known kind".to_owned()),
        };
        let (inner, rest) = bytes.split_at_checked(skipped).ok_or_else(cut_off)?;
        bytes = rest;
        let place = shape.0.iter().position(|(field, _, _)| *field == tag);
        let Some(place) = place.filter(|_| kind == 2) else {
            continue;
        };
        let (_, max, inner_shape) = shape.0[place];
        counts[place] += 1;
        *messages += 1;
        if counts[place] > max || *messages > MESSAGES_MAX {
            let max = max.min(MESSAGES_MAX);
            return Err(format!("field {tag}: more than {max} in one batch"));
        }
        if !inner_shape.0.is_empty() {
            walk(inner, inner_shape, messages)?;
        }
    }
    Ok(())
}

fn cut_off() -> String {
    "the body is not a batch: it is cut off".to_owned()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first().ok_or_else(cut_off)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("the body is not a batch: a number without end".to_owned())
}
