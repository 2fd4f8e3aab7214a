//! HdrHistogram's V2 encoding, compressed and in base64: what its tools call a log's histogram.
//!
//! Format: "V2EncodingCookie + DEFLATE" of the HdrHistogram specification, as read by
//! HistogramLogProcessor, by `hdrh` for Python and by the `hdrhistogram` crate. Bounds 1 to
//! 3 600 000 000, 3 digits, unit microseconds. Text begins with `HISTFAAA`.

use crate::histogram::{DIGITS, Histogram, VALUE_MAX_US};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

impl Histogram {
    /// The V2 encoding, compressed with DEFLATE, in base64.
    pub fn to_base64(&self) -> String {
        let mut bytes = Vec::new();
        let dense = self.to_dense();
        let written = V2DeflateSerializer::new().serialize(&dense, &mut bytes);
        // a Vec takes all bytes and the bounds are fixed, so there is nothing to fail on
        debug_assert!(written.is_ok(), "{written:?}");
        STANDARD.encode(&bytes)
    }

    /// Reads what [`Histogram::to_base64`] wrote: the same counts, with minimum, maximum and sum
    /// known to 3 digits only.
    ///
    /// # Errors
    /// When the text is not base64, or not a histogram in the V2 encoding.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let bytes = STANDARD
            .decode(text)
            .map_err(|e| format!("not base64: {e}"))?;
        let dense: hdrhistogram::Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|e| format!("not a V2 histogram: {e}"))?;
        let mut sparse = Histogram::new();
        for bucket in dense.iter_recorded() {
            let value = bucket.value_iterated_to();
            sparse.record_n(value, bucket.count_at_value());
        }
        Ok(sparse)
    }

    fn to_dense(&self) -> hdrhistogram::Histogram<u64> {
        let mut dense = hdrhistogram::Histogram::new_with_bounds(1, VALUE_MAX_US, DIGITS)
            .expect("the bounds are constants with 2 * low <= high and at most 5 digits");
        for (value_us, n) in self.iter() {
            // all values are within the bounds
            let recorded = dense.record_n(value_us, n);
            debug_assert!(recorded.is_ok(), "{recorded:?}");
        }
        dense
    }
}
