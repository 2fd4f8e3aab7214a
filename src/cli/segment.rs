//! The `--segment` argument: the part of a run that is this process's, as given or as the
//! environment of a launcher has it.

use engine::Segment;

/// Weights are made for at most this many segments: more than a run can have, so they are refused.
const SEGMENTS_READ_MAX: usize = 10_000;
/// The variable for launchers that have none of their own; as `--segment`, counted from 1.
const OWN_VARIABLE: &str = "MISTRESS_SEGMENT";
/// Variables of launchers, in the order in which they are looked for: the index, from 0, and the
/// number of nodes, where the launcher tells it.
const RANKS: [(&str, Option<&str>); 5] = [
    ("SLURM_PROCID", Some("SLURM_NTASKS")),
    ("JOB_COMPLETION_INDEX", None),
    ("PMI_RANK", Some("PMI_SIZE")),
    ("OMPI_COMM_WORLD_RANK", Some("OMPI_COMM_WORLD_SIZE")),
    ("NOMAD_ALLOC_INDEX", None),
];
const EXPECTED: &str = "expected I/N such as 2/3, or with weights 2/3:1,1,4, or auto, auto/N";

/// A part of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentArgument {
    /// `I/N`, with its weights if it has any.
    pub text: String,
    /// Its shards.
    pub part: Segment,
    /// Which part it is, from 1.
    pub index: usize,
    /// How many parts there are.
    pub count: usize,
}

/// The `--segment` argument as given.
#[derive(Clone, Debug, PartialEq)]
pub enum SegmentChoice {
    /// This part.
    Part(SegmentArgument),
    /// The part that the environment names.
    Auto(AutoSegment),
}

/// What is known of a part before the environment was looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AutoSegment {
    /// How many parts there are.
    count: Option<usize>,
    /// Their weights, as written.
    weights: Option<String>,
}

/// Parses `2/3`, `2/3:1,1,4`, `auto`, `auto/3` or `auto/3:1,1,4`.
pub(super) fn parse(text: &str) -> Result<SegmentChoice, String> {
    let Some(rest) = text.strip_prefix("auto") else {
        return part_of(text).map(SegmentChoice::Part);
    };
    let (count, weights) = match rest.split_once(':') {
        Some((count, weights)) => (count, Some(weights.to_owned())),
        None => (rest, None),
    };
    let count = match count.strip_prefix('/') {
        Some(count) => Some(whole(count)?),
        None if count.is_empty() => None,
        None => return Err(EXPECTED.to_owned()),
    };
    if let Some(count) = count {
        // what no index could be right for is found now
        part_at(1, count, weights.as_deref())?;
    }
    Ok(SegmentChoice::Auto(AutoSegment { count, weights }))
}

impl AutoSegment {
    /// The part that these variables name.
    ///
    /// # Errors
    /// None of the variables is set, or they contradict each other or the argument.
    pub fn find(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<SegmentArgument, String> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(text) = set(OWN_VARIABLE) {
            let part = part_of(&text).map_err(|error| format!("{OWN_VARIABLE}: {error}"))?;
            let count = self.agreed(Some((OWN_VARIABLE, part.count)))?;
            return match &self.weights {
                Some(weights) => part_at(part.index, count, Some(weights)),
                None => Ok(part),
            };
        }
        let found = RANKS
            .iter()
            .find_map(|(rank, size)| Some((*rank, *size, set(rank)?)));
        let Some((rank, size, index)) = found else {
            let names: Vec<&str> = RANKS.iter().map(|(rank, _)| *rank).collect();
            return Err(format!(
                "auto: neither {OWN_VARIABLE} (I/N) nor the variable of a launcher is set ({})",
                names.join(", ")
            ));
        };
        let number = |name: &str, text: &str| {
            let parsed = text.trim().parse::<usize>();
            parsed.map_err(|_| format!("{name}: found {text:?}, expected a whole number"))
        };
        let index = number(rank, &index)?;
        let told = size.and_then(|size| Some((size, set(size)?)));
        let told = told.map(|(name, text)| Ok::<_, String>((name, number(name, &text)?)));
        let count = self.agreed(told.transpose()?).map_err(|error| {
            let hint = size.map_or(String::new(), |size| format!(" ({size} is not set)"));
            format!("{rank} is {index}, {error}{hint}")
        })?;
        if index >= count {
            return Err(format!(
                "{rank} is {index}, but there are {count} nodes, counted from 0"
            ));
        }
        part_at(index + 1, count, self.weights.as_deref())
    }

    /// The number of parts that argument and environment agree on.
    fn agreed(&self, told: Option<(&str, usize)>) -> Result<usize, String> {
        match (self.count, told) {
            (Some(given), Some((name, told))) if given != told => Err(format!(
                "{name} says {told} nodes, --segment auto/{given} says {given}"
            )),
            (given, told) => given
                .or(told.map(|(_, told)| told))
                .ok_or_else(|| "how many nodes there are is unknown; use auto/N".to_owned()),
        }
    }
}

/// Parses `2/3` or `2/3:1,1,4`.
fn part_of(text: &str) -> Result<SegmentArgument, String> {
    let (fraction, weights) = match text.split_once(':') {
        Some((fraction, weights)) => (fraction, Some(weights)),
        None => (text, None),
    };
    let (index, count) = fraction.split_once('/').ok_or(EXPECTED)?;
    part_at(whole(index)?, whole(count)?, weights)
}

fn whole(text: &str) -> Result<usize, String> {
    text.trim().parse().map_err(|_| EXPECTED.to_owned())
}

/// Part `index`, from 1, of `count` with these weights, or equal ones.
fn part_at(index: usize, count: usize, list: Option<&str>) -> Result<SegmentArgument, String> {
    let weights = match list {
        None => vec![1.0; count.min(SEGMENTS_READ_MAX)],
        Some(list) => {
            let weight = |one: &str| one.trim().parse().map_err(|_| EXPECTED.to_owned());
            list.split(',')
                .map(weight)
                .collect::<Result<Vec<f64>, _>>()?
        }
    };
    if weights.len() != count.min(SEGMENTS_READ_MAX) {
        let found = weights.len();
        return Err(format!("found {found} weights for {count} segments"));
    }
    let part = Segment::of(index, &weights)?;
    let weights = list.map_or(String::new(), |list| format!(":{list}"));
    Ok(SegmentArgument {
        text: format!("{index}/{count}{weights}"),
        part,
        index,
        count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_fractions_with_optional_weights() {
        let good: [(&str, usize, &[f64]); 4] = [
            ("1/1", 1, &[1.0]),
            ("2/3", 2, &[1.0; 3]),
            ("3/3:1,1,4", 3, &[1.0, 1.0, 4.0]),
            ("1/2: 0.5, 1.5", 1, &[0.5, 1.5]),
        ];
        for (text, index, weights) in good {
            let part = Segment::of(index, weights);
            assert_eq!(part_of(text).map(|segment| segment.part), part, "{text}");
        }
        for text in [
            "",
            "1",
            "/",
            "0/2",
            "3/2",
            "1/0",
            "a/2",
            "1/2:1",
            "1/2:1,x",
            "1/2:0,1",
            "-1/2",
            "1/99999999999",
            "1/1025",
            "auto3",
            "auto/",
            "auto/0",
            "auto/2:1",
            "automatic",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    /// An argument, the variables, and what is to be found or said.
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

    /// What `auto…` finds among these variables.
    fn found(argument: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let SegmentChoice::Auto(auto) = parse(argument).unwrap() else {
            panic!("{argument} is not auto");
        };
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        auto.find(value).map(|part| part.text)
    }

    #[test]
    fn the_environment_of_a_launcher_names_the_segment() {
        let rows: [Row<'_>; 9] = [
            ("auto", &[("MISTRESS_SEGMENT", "2/3")], "2/3"),
            ("auto:1,1,4", &[("MISTRESS_SEGMENT", "2/3")], "2/3:1,1,4"),
            (
                "auto",
                &[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "2")],
                "1/2",
            ),
            ("auto/4", &[("JOB_COMPLETION_INDEX", "3")], "4/4"),
            ("auto/2:1,3", &[("JOB_COMPLETION_INDEX", "1")], "2/2:1,3"),
            ("auto", &[("PMI_RANK", "1"), ("PMI_SIZE", "8")], "2/8"),
            (
                "auto",
                &[("OMPI_COMM_WORLD_RANK", "7"), ("OMPI_COMM_WORLD_SIZE", "8")],
                "8/8",
            ),
            ("auto/2", &[("NOMAD_ALLOC_INDEX", "0")], "1/2"),
            // the first one counts
            (
                "auto",
                &[
                    ("PMI_RANK", "1"),
                    ("PMI_SIZE", "8"),
                    ("SLURM_PROCID", "2"),
                    ("SLURM_NTASKS", "3"),
                ],
                "3/3",
            ),
        ];
        for (argument, variables, expected) in rows {
            assert_eq!(found(argument, variables).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_the_environment_lacks_is_named() {
        let rows: [Row<'_>; 6] = [
            (
                "auto",
                &[],
                "nor the variable of a launcher is set (SLURM_PROCID",
            ),
            (
                "auto",
                &[("JOB_COMPLETION_INDEX", "1")],
                "is unknown; use auto/N",
            ),
            (
                "auto",
                &[("PMI_RANK", "1")],
                "use auto/N (PMI_SIZE is not set)",
            ),
            (
                "auto/2",
                &[("NOMAD_ALLOC_INDEX", "2")],
                "2 nodes, counted from 0",
            ),
            ("auto/4", &[("MISTRESS_SEGMENT", "1/3")], "auto/4 says 4"),
            (
                "auto/4",
                &[("NOMAD_ALLOC_INDEX", "x")],
                "expected a whole number",
            ),
        ];
        for (argument, variables, expected) in rows {
            let error = found(argument, variables).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
