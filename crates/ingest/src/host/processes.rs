//! Programs that use the machine most.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use echobase_types::Timestamp;
use echobase_types::signal::MetricKind::{Gauge, UpDownCounter};
use sysinfo::{Pid, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, ThreadKind, UpdateKind};

use crate::host::batch::Measures;

/// A program that was among the largest is told so much longer, so that its series do not come and go.
const TOLD_ON: Duration = Duration::from_secs(600);

/// A name is forgotten after this time, and makes room for another.
const FORGOTTEN: Duration = Duration::from_secs(86_400);

/// Names per place among the largest.
const NAMES_PER_PLACE: usize = 5;

/// Everything that is told of no program by name.
const OTHER: &str = "other";

#[derive(Debug)]
pub(super) struct Processes {
    top: usize,
    names: Names,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Usage {
    /// Share of the machine.
    cpu: f64,
    memory: u64,
    pids: Vec<Pid>,
}

impl Processes {
    pub(super) fn new(top: usize) -> Self {
        Self { top, names: Names { room: top.saturating_mul(NAMES_PER_PLACE), seen: HashMap::new() } }
    }

    pub(super) fn refresh(&self, system: &mut System) {
        let what = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .with_exe(UpdateKind::OnlyIfNotSet)
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
    }

    pub(super) fn collect(&mut self, system: &mut System, now: Timestamp, out: &mut Measures) {
        self.refresh(system);
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        let mut programs: BTreeMap<String, Usage> = BTreeMap::new();
        let cpus = system.cpus().len().max(1) as f64;
        for (pid, process) in system.processes() {
            if process.thread_kind().is_some() && process.thread_kind() != Some(ThreadKind::Kernel) {
                continue;
            }
            *states.entry(state(process.status())).or_default() += 1;
            if process.thread_kind() == Some(ThreadKind::Kernel) || process.memory() == 0 {
                continue;
            }
            let program = process.exe().and_then(|path| path.file_name()).unwrap_or(process.name());
            let usage = programs.entry(clean(&program.to_string_lossy())).or_default();
            usage.cpu += f64::from(process.cpu_usage()) / 100.0 / cpus;
            usage.memory += process.memory();
            usage.pids.push(*pid);
        }
        for (state, count) in states {
            let of = [("process.state", state)];
            out.add("system.process.count", "{process}", UpDownCounter, &of, count as f64);
        }
        if self.top == 0 {
            return;
        }
        for (name, usage) in self.names.told(programs, self.top, now) {
            let of = [("process.executable.name", name.as_str())];
            out.add("process.cpu.utilization", "1", Gauge, &of, usage.cpu.min(1.0));
            out.add("process.memory.usage", "By", UpDownCounter, &of, usage.memory as f64);
            let open: Vec<usize> =
                usage.pids.iter().filter_map(|pid| system.process(*pid)?.open_files()).collect();
            if name != OTHER && !open.is_empty() {
                let count = open.iter().sum::<usize>() as f64;
                out.add("process.open_file_descriptor.count", "{file_descriptor}", UpDownCounter, &of, count);
            }
        }
    }
}

/// The state of a process in the words of OpenTelemetry.
fn state(status: ProcessStatus) -> &'static str {
    match status {
        ProcessStatus::Run => "running",
        ProcessStatus::Stop | ProcessStatus::Tracing => "stopped",
        ProcessStatus::Zombie | ProcessStatus::Dead => "defunct",
        _ => "sleeping",
    }
}

/// A replaced program is still the same program.
fn clean(name: &str) -> String {
    name.trim_end_matches(" (deleted)").chars().take(64).collect()
}

/// Which names are told, and since when they were last among the largest.
#[derive(Debug)]
struct Names {
    room: usize,
    seen: HashMap<String, Timestamp>,
}

impl Names {
    fn told(
        &mut self,
        mut programs: BTreeMap<String, Usage>,
        top: usize,
        now: Timestamp,
    ) -> BTreeMap<String, Usage> {
        let mut by_cpu: Vec<(&String, &Usage)> = programs.iter().collect();
        let mut by_memory = by_cpu.clone();
        by_cpu.sort_by(|a, b| b.1.cpu.total_cmp(&a.1.cpu));
        by_memory.sort_by_key(|(_, usage)| std::cmp::Reverse(usage.memory));
        let largest = by_cpu.into_iter().filter(|(_, usage)| usage.cpu > 0.0).take(top);
        let largest: Vec<String> =
            largest.chain(by_memory.into_iter().take(top)).map(|(name, _)| name.clone()).collect();
        self.seen.retain(|_, last| now.since(*last) < FORGOTTEN);
        for name in largest {
            if self.seen.contains_key(&name) || self.seen.len() < self.room {
                self.seen.insert(name, now);
            }
        }
        let mut told: BTreeMap<String, Usage> = BTreeMap::new();
        for (name, last) in &self.seen {
            if now.since(*last) < TOLD_ON
                && let Some(usage) = programs.remove(name)
            {
                told.insert(name.clone(), usage);
            }
        }
        let other = told.entry(OTHER.to_owned()).or_default();
        for usage in programs.into_values() {
            other.cpu += usage.cpu;
            other.memory += usage.memory;
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(cpu: f64, memory: u64) -> Usage {
        Usage { cpu, memory, pids: Vec::new() }
    }

    fn told(names: &mut Names, programs: &[(&str, f64, u64)], seconds: i64) -> Vec<(String, f64, u64)> {
        let programs = programs.iter().map(|(name, cpu, memory)| ((*name).to_owned(), usage(*cpu, *memory)));
        let told = names.told(programs.collect(), 1, Timestamp::from_secs(seconds));
        told.into_iter().map(|(name, usage)| (name, usage.cpu, usage.memory)).collect()
    }

    fn row(name: &str, cpu: f64, memory: u64) -> (String, f64, u64) {
        (name.to_owned(), cpu, memory)
    }

    #[test]
    fn the_largest_by_processor_and_by_memory_are_told_and_the_rest_as_other() {
        let mut names = Names { room: 5, seen: HashMap::new() };
        let seen = told(&mut names, &[("a", 0.5, 1), ("b", 0.0, 9), ("c", 0.25, 2), ("d", 0.0, 4)], 0);
        assert_eq!(seen, [row("a", 0.5, 1), row("b", 0.0, 9), row("other", 0.25, 6)]);
    }

    #[test]
    fn a_program_is_told_on_for_ten_minutes_while_it_runs() {
        let mut names = Names { room: 5, seen: HashMap::new() };
        told(&mut names, &[("a", 0.5, 9)], 0);
        let later = [("a", 0.1, 1), ("b", 0.2, 9)];
        assert_eq!(told(&mut names, &later, 599).len(), 3);
        assert_eq!(told(&mut names, &later, 600), [row("b", 0.2, 9), row("other", 0.1, 1)]);
        assert_eq!(told(&mut names, &[], 601), [row("other", 0.0, 0)]);
    }

    #[test]
    fn names_that_never_come_again_do_not_make_series_without_end() {
        let mut names = Names { room: 5, seen: HashMap::new() };
        let mut all = std::collections::HashSet::new();
        for second in 0..3_600 {
            let name = format!("test-{second}");
            all.extend(told(&mut names, &[(&name, 0.5, 9)], second).into_iter().map(|(name, ..)| name));
        }
        assert_eq!(all.len(), 6, "{all:?}");
        let next_day = told(&mut names, &[("fresh", 0.5, 9)], 3_600 + 86_400);
        assert_eq!(next_day, [row("fresh", 0.5, 9), row("other", 0.0, 0)]);
    }
}
