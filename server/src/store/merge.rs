//! Merges rows of the same key.

use super::Content;
use super::rows::{
    CHECKS, CORES, COUNTERS, CUSTOMS, Checks, Cores, Customs, Key, NameCounts, SLOTS, Totals,
    is_histogram,
};
use crate::Error;
use prost::Message;
use stats::Histogram;
use std::collections::BTreeMap;

/// Merges `rows`, given with their first seconds in any order, into one.
pub(crate) fn merge(key: Key, rows: &[(u64, &[u8])]) -> Result<Vec<u8>, Error> {
    if let [(_, only)] = rows {
        return Ok(only.to_vec());
    }
    if is_histogram(key) {
        let mut sum = Histogram::new();
        for (_, bytes) in rows {
            add_histogram(&mut sum, *bytes)?;
        }
        let mut out = Vec::new();
        sum.put_compact(&mut out);
        return Ok(out);
    }
    match key {
        COUNTERS => Ok(merge_totals(rows)?.encode_to_vec()),
        CHECKS => {
            let mut sum = Checks::default();
            for (_, bytes) in rows {
                sum.add(&read::<Checks>(*bytes)?.checks);
            }
            Ok(sum.encode_to_vec())
        }
        CORES => {
            let mut sum = Cores::default();
            for (_, bytes) in rows {
                sum.add(&read::<Cores>(*bytes)?.cores);
            }
            Ok(sum.encode_to_vec())
        }
        CUSTOMS => {
            let mut sum = Customs::default();
            for (_, bytes) in rows {
                sum.add(read::<Customs>(*bytes)?.customs);
            }
            Ok(sum.encode_to_vec())
        }
        _ if key % SLOTS == COUNTERS => {
            let mut sum = NameCounts::default();
            for (_, bytes) in rows {
                sum.add(&read::<NameCounts>(*bytes)?);
            }
            Ok(sum.encode_to_vec())
        }
        _ => Err(Error::Format(format!("no such key: {key}"))),
    }
}

fn merge_totals(rows: &[(u64, &[u8])]) -> Result<Totals, Error> {
    let mut by_time: BTreeMap<u64, Totals> = BTreeMap::new();
    for (time_s, bytes) in rows {
        let totals = read::<Totals>(*bytes)?;
        match by_time.get_mut(time_s) {
            Some(sum) => sum.add_beside(&totals),
            None => {
                by_time.insert(*time_s, totals);
            }
        }
    }
    let sum = by_time.into_values().reduce(|mut sum, later| {
        sum.add_after(&later);
        sum
    });
    Ok(sum.unwrap_or_default())
}

/// Adds the histogram of a row.
pub(crate) fn add_histogram<'a>(
    sum: &mut Histogram,
    content: impl Into<Content<'a>>,
) -> Result<(), Error> {
    let added = match content.into() {
        Content::Bytes(mut bytes) => sum.add_compact(&mut bytes),
        Content::Places { figures, places } => sum.add_places(figures, places),
    };
    added.map_err(|text| Error::Format(format!("a histogram: {text}")))
}

/// Decodes a row.
pub(crate) fn read<'a, M: Message + Default>(content: impl Into<Content<'a>>) -> Result<M, Error> {
    let Content::Bytes(bytes) = content.into() else {
        return Err(Error::Format("a row: a histogram".to_owned()));
    };
    M::decode(bytes).map_err(|error| Error::Format(format!("a row: {error}")))
}
