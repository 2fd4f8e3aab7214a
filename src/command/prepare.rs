//! Preparation before any traffic: the cores, the target.

use super::exit::Failure;
use anyhow::anyhow;
use config::{Cores, Origin, Plan, Proxy, Target};
use engine::TargetOptions;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::net::{Ipv4Addr, SocketAddr};

/// The cpus of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus {
    /// Generate load, one core of the run on each.
    pub load: Vec<usize>,
    /// Left to the reporter, the terminal and the built-in target; may be empty.
    pub free: Vec<usize>,
}

impl Cpus {
    /// Divides the cpus that this process may use.
    ///
    /// By default all but one generate load, or both of two, but not more than a CPU quota allows:
    /// `quota` is in cores. The built-in target needs one for itself, if there is a second. The
    /// free one is the first, where the system's own work tends to run.
    ///
    /// # Errors
    /// More cpus are requested than are allowed, or others.
    pub fn choose(
        wanted: &Cores,
        target: &Target,
        allowed: &[usize],
        quota: Option<f64>,
    ) -> Result<Cpus, Failure> {
        let spare = match (target, allowed.len()) {
            (_, 0 | 1) => 0,
            (Target::Http(_), 2) => 0,
            _ => 1,
        };
        let load = match wanted {
            Cores::Auto => {
                let paid = quota.map_or(usize::MAX, |quota| (quota as usize).max(1));
                let count = paid.min(allowed.len() - spare);
                allowed[allowed.len() - count..].to_vec()
            }
            Cores::Count(count) if *count <= allowed.len() => {
                allowed[allowed.len() - count..].to_vec()
            }
            Cores::Count(count) => {
                let all = allowed.len();
                return Err(Failure::usage(anyhow!(
                    "cores: found {count}, but this process may only use {all} ({})",
                    list(allowed)
                )));
            }
            Cores::List(ids) => {
                let not: Vec<usize> = ids
                    .iter()
                    .copied()
                    .filter(|id| !allowed.contains(id))
                    .collect();
                if !not.is_empty() {
                    return Err(Failure::usage(anyhow!(
                        "cores: cpu {} cannot be used, expected one of {}",
                        list(&not),
                        list(allowed)
                    )));
                }
                ids.clone()
            }
        };
        let free = allowed
            .iter()
            .copied()
            .filter(|cpu| !load.contains(cpu))
            .collect();
        Ok(Cpus { load, free })
    }

    /// How many rings the run has: one per core, and one of the built-in target.
    pub fn rings(&self, target: &Target) -> usize {
        self.load.len() + usize::from(*target == Target::Builtin)
    }

    /// Keeps this thread, and those it starts, off the cpus that generate load. Threads that pin
    /// themselves are not affected.
    pub fn pin_away_from_load(&self) {
        if self.free.is_empty() {
            return;
        }
        let mut set = CpuSet::new();
        for cpu in self.free.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
            set.set(*cpu);
        }
        // If it is not permitted, the run is only slightly more disturbed.
        let _ = sched_setaffinity(None, &set);
    }
}

/// Formats ids as a list.
pub fn list(ids: &[usize]) -> String {
    let ids: Vec<String> = ids.iter().map(usize::to_string).collect();
    ids.join(", ")
}

/// The target of a run; keeps the built-in target running.
pub struct Loaded {
    /// Where requests go.
    pub origin: Origin,
    /// Its name in reports.
    pub label: String,
    /// The proxy by which it is reached.
    via: Option<Proxy>,
    /// Runs until dropped.
    _builtin: Option<engine::Target>,
}

impl Loaded {
    /// Starts the built-in target, if the plan uses it, on a cpu without load if there is one.
    ///
    /// # Errors
    /// It cannot start.
    pub fn start(plan: &Plan, cpus: &Cpus) -> Result<Loaded, Failure> {
        let mut loaded = match &plan.target {
            Target::Http(origin) => {
                let redactor = plan.variables.redactor();
                Loaded {
                    label: redactor.text(&origin.to_string()).into_owned(),
                    origin: origin.clone(),
                    via: None,
                    _builtin: None,
                }
            }
            Target::Builtin => Loaded::builtin(cpus)?,
        };
        let proxies = &plan.connections.proxies;
        loaded.via = proxies.proxy_for(&loaded.origin).cloned();
        Ok(loaded)
    }

    /// The target and its proxy.
    pub fn title(&self) -> String {
        match &self.via {
            Some(via) => format!("{} through the proxy {}", self.label, via.named()),
            None => self.label.clone(),
        }
    }

    /// The proxy by which it is reached, and what names that; empty for none.
    pub fn proxy(&self) -> String {
        self.via.as_ref().map_or(String::new(), Proxy::named)
    }

    /// Whether it is of this machine; `addresses` are what connections are made to, so nothing is
    /// known of a target behind a proxy.
    pub fn is_on_this_machine(&self, addresses: &[SocketAddr]) -> bool {
        self.via.is_none() && engine::is_on_this_machine(&self.origin, addresses)
    }

    /// Tells of a proxy that neither the profile nor the arguments name.
    pub fn notice(&self) -> Option<String> {
        self.via.as_ref()?.notice(&self.label)
    }

    fn builtin(cpus: &Cpus) -> Result<Loaded, Failure> {
        let options = TargetOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            cpus: cpus.free.first().copied().into_iter().collect(),
            threads: 1,
        };
        let builtin = engine::Target::start(&options)?;
        let url = format!("http://{}", builtin.address());
        let origin = Origin::parse(&url).map_err(|e| Failure::failed(anyhow!("{url}: {e}")))?;
        Ok(Loaded {
            origin,
            label: format!("builtin at {url}"),
            via: None,
            _builtin: Some(builtin),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        wanted: Cores,
        target: &str,
        allowed: &[usize],
        expected: Result<(&[usize], &[usize]), &str>,
    ) {
        let target = Target::parse(target).unwrap();
        let chosen = Cpus::choose(&wanted, &target, allowed, None);
        match (chosen, expected) {
            (Ok(cpus), Ok((load, free))) => {
                assert_eq!((&cpus.load[..], &cpus.free[..]), (load, free));
            }
            (Err(failure), Err(text)) => assert_eq!(failure.to_string(), text),
            (chosen, expected) => panic!("{chosen:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn cores_by_default() {
        let url = "http://h";
        check(Cores::Auto, url, &[0], Ok((&[0], &[])));
        check(Cores::Auto, "builtin", &[3], Ok((&[3], &[])));
        check(Cores::Auto, url, &[0, 1], Ok((&[0, 1], &[])));
        check(Cores::Auto, "builtin", &[0, 1], Ok((&[1], &[0])));
        check(Cores::Auto, url, &[0, 1, 5], Ok((&[1, 5], &[0])));
        check(
            Cores::Auto,
            "builtin",
            &[0, 1, 5, 6],
            Ok((&[1, 5, 6], &[0])),
        );
    }

    #[test]
    fn cores_by_default_under_a_quota() {
        let allowed = [0, 1, 2, 3];
        let rows: [(f64, &[usize]); 6] = [
            (0.2, &[3]),
            (1.0, &[3]),
            (1.99, &[3]),
            (2.5, &[2, 3]),
            (3.0, &[1, 2, 3]),
            (64.0, &[1, 2, 3]),
        ];
        let target = Target::parse("http://h").unwrap();
        for (quota, load) in rows {
            let cpus = Cpus::choose(&Cores::Auto, &target, &allowed, Some(quota)).unwrap();
            assert_eq!(cpus.load, load, "{quota}");
            assert_eq!(cpus.load.len() + cpus.free.len(), 4, "{quota}");
        }
        // an explicit number is not limited
        let cpus = Cpus::choose(&Cores::Count(3), &target, &allowed, Some(0.5)).unwrap();
        assert_eq!(cpus.load, [1, 2, 3]);
    }

    #[test]
    fn cores_asked_for() {
        let url = "http://h";
        check(Cores::Count(1), url, &[0, 1, 2], Ok((&[2], &[0, 1])));
        check(Cores::Count(3), url, &[0, 1, 2], Ok((&[0, 1, 2], &[])));
        let text = "cores: found 4, but this process may only use 3 (0, 1, 2)";
        check(Cores::Count(4), url, &[0, 1, 2], Err(text));
        check(
            Cores::List(vec![2, 0]),
            url,
            &[0, 1, 2],
            Ok((&[2, 0], &[1])),
        );
        let text = "cores: cpu 7, 9 cannot be used, expected one of 0, 1";
        check(Cores::List(vec![7, 0, 9]), url, &[0, 1], Err(text));
    }
}
