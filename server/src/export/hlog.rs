//! A run's latencies as an HdrHistogram interval log, version 1.3: what HistogramLogProcessor,
//! HistogramLogAnalyzer and their like read. Values are microseconds. Lines without a tag are of
//! requests that ended ok; both kinds added up are all that ended.

use stats::{Histogram, Of};

/// The head of a log whose times count from the start of the run.
pub(super) fn head(run: &str, started_us: u64) -> String {
    let start_s = started_us as f64 / 1e6;
    // a name must not begin a line of its own
    let run: String = run.chars().filter(|c| !c.is_control()).collect();
    format!(
        "#[Mistress, run {run}, latency in microseconds]\n\
         #[Histogram log format version 1.3]\n\
         #[StartTime: {start_s:.3} (seconds since epoch)]\n\
         #[BaseTime: {start_s:.3} (seconds since epoch)]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
    )
}

/// One interval: where it begins and how long it is, in seconds of the run.
pub(super) fn line(of: Of, time_s: u64, span_s: u64, histogram: &Histogram) -> String {
    let max_ms = histogram.max_us() as f64 / 1e3;
    let payload = histogram.to_base64();
    let tag = match of {
        Of::Ok => String::new(),
        other => format!("Tag={},", other.as_str()),
    };
    format!("{tag}{time_s}.000,{span_s}.000,{max_ms:.3},{payload}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_four_fields_and_its_histogram_comes_back() {
        let mut histogram = Histogram::new();
        histogram.record(1_234);
        let mut log = head("shop\n#[x]", 1_790_000_000_123_456);
        assert!(
            log.lines().all(|line| line.starts_with(['#', '"'])),
            "{log}"
        );
        assert!(log.contains("#[StartTime: 1790000000.123 (seconds since epoch)]"));
        log += &line(Of::Failed, 7, 1, &histogram);
        let tagged = log.lines().last().unwrap_or_default();
        assert!(tagged.starts_with("Tag=failed,7.000,1.000,1.234,HIST"));
        log += &line(Of::Ok, 7, 1, &histogram);
        let last = log.lines().last().unwrap_or_default();
        let fields: Vec<&str> = last.split(',').collect();
        assert_eq!(fields[..3], ["7.000", "1.000", "1.234"]);
        let back = Histogram::from_base64(fields[3]).map(|h| h.count());
        assert_eq!(back, Ok(1));
    }
}
