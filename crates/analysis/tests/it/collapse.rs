//! Runs of the collapse generator's kind (60 s steps, ten plain metrics), in Rust: a few families that fail and a few
//! that only look like it. After `sim_collapse` of the project's benchmark, shortened.

use std::time::Duration;

use echobase_analysis::{AnalysisConfig, RowVerdict, assess_columns};
use echobase_types::Timestamp;

use crate::noise::Noise;

pub(crate) const NAMES: [&str; 10] =
    ["rps", "lat_p50", "lat_p99", "error_rate", "cpu", "mem", "queue", "conns", "disk", "dep_latency"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Quiet,
    MemoryLeak,
    DiskFill,
    ConnectionLeak,
    LoadRamp,
    GcSaw,
    LogRotate,
    DeployStep,
}

pub(crate) struct Run {
    pub(crate) columns: Vec<Vec<f64>>,
    pub(crate) failed_at: Option<usize>,
}

/// One run of at most `n` rows; trouble starts at row 300 and would exhaust after another 200.
pub(crate) fn generate(seed: u64, family: Family, n: usize) -> Run {
    use Family as F;
    let mut r = Noise::new(seed);
    let base = 10_f64.powf(r.between(1.3, 3.2));
    let amp = r.between(0.1, 0.6);
    let phase = r.between(0.0, 1_440.0);
    let cap0 = base * (1.0 + amp) * r.between(1.35, 2.2);
    let s0 = r.between(0.005, 0.08);
    let (memb, diskb) = (r.between(0.25, 0.55), r.between(0.2, 0.6));
    let nz = r.between(0.01, 0.05);
    let dep0 = r.between(0.01, 0.05);
    let pool = r.between(40.0, 400.0).max(cap0 * (s0 + dep0) * r.between(2.0, 4.0));
    let (gc, period) = (r.between(0.1, 0.3), r.between(30.0, 240.0));
    let (t0, dur) = (300.0, 200.0);
    let (mut ar, mut q, mut retry, mut bad) = (0.0, 0.0, 0.0, 0);
    let mut columns = vec![Vec::new(); 10];
    for i in 0..n {
        let at = i as f64;
        let on = at >= t0;
        let pf = ((at - t0) / dur).max(0.0);
        ar = 0.95 * ar + nz * r.normal();
        let wave = (std::f64::consts::TAU * (at + phase) / 1_440.0).sin();
        let mut lam = base * (1.0 + amp * wave) * (1.0_f64 + ar).max(0.1);
        let mut cap = cap0;
        let mut dep = dep0 * (1.0 + (0.15 * r.normal()).abs());
        let (mut mem, mut disk, mut leaked) = (memb, diskb, 0.0);
        match family {
            F::MemoryLeak => mem += (1.0 - memb) * pf,
            F::DiskFill => disk += (1.0 - diskb) * pf,
            F::ConnectionLeak => leaked = pool * pf.min(1.0),
            F::LoadRamp => lam *= 1.0 + 1.6 * pf * cap0 / (base * (1.0 + amp)),
            F::GcSaw => mem += gc * (at % period) / period,
            F::LogRotate => disk += 0.3 * (at % (4.0 * period)) / (4.0 * period),
            F::DeployStep if on => {
                cap *= 0.95;
                dep *= 1.15;
                mem *= 1.15;
            }
            F::DeployStep | F::Quiet => {}
        }
        if mem > 0.9 {
            cap *= (1.0 - 5.0 * (mem - 0.9)).max(0.3);
        }
        if leaked > 0.0 {
            cap = cap.min((pool - leaked).max(0.5) / (s0 + dep));
        }
        let offered = lam * (1.0 + retry);
        let served = (offered + q / 60.0).min(cap);
        q = (q + (offered - served) * 60.0).clamp(0.0, cap * 180.0);
        let rho = (offered / cap.max(1e-9)).min(3.0);
        let wait = s0 * rho / (1.0 - rho.min(0.98)).max(0.02) + q / cap.max(1e-9) / 4.0;
        let (p50, p99) = (s0 + dep + wait * 0.5, (s0 + dep) * 2.5 + wait * 4.0);
        let mut err = 0.0005 + (0.0004 * r.normal()).abs() + ((p99 - 5.0) / 30.0).clamp(0.0, 1.0);
        if disk > 0.97 {
            err += 0.05;
        }
        retry = (0.9 * retry + 0.16 * err).min(2.0);
        let cpu = (0.05 + 0.8 * rho.min(1.2) + (2.0 * (mem - 0.88)).max(0.0)).min(1.0);
        let conns = ((leaked + served * (s0 + dep + wait * 0.2)) / pool).min(1.0);
        let row = [
            (served, 0.02),
            (p50, 0.04),
            (p99, 0.1),
            (err.min(1.0), 0.1),
            (cpu, 0.03),
            (mem, 0.005),
            (q, 0.05),
            (conns, 0.03),
            (disk, 0.002),
            (dep, 0.05),
        ];
        for (j, (value, noise)) in row.into_iter().enumerate() {
            let seen = (value * (1.0 + noise * r.normal())).max(0.0);
            columns[j].push(if [4, 5, 7, 8].contains(&j) { seen.min(1.0) } else { seen });
        }
        bad = if err > 0.2 { bad + 1 } else { 0 };
        if mem >= 1.0 || disk >= 1.0 || bad >= 3 {
            return Run { columns, failed_at: Some(i) };
        }
    }
    Run { columns, failed_at: None }
}

pub(crate) fn judge(columns: &[Vec<f64>], names: &[&str]) -> Vec<RowVerdict> {
    let config = AnalysisConfig { horizon: Duration::from_secs(3_600), ..AnalysisConfig::default() };
    let times: Vec<Timestamp> =
        (0..columns[0].len()).map(|i| Timestamp::from_secs(1_600_000_000 + 60 * i as i64)).collect();
    assess_columns(config, &times, names, columns)
}

#[test]
fn exhaustion_is_warned_of_ten_minutes_to_an_hour_ahead_and_the_score_is_low_at_the_end() {
    for family in [Family::MemoryLeak, Family::DiskFill, Family::ConnectionLeak] {
        for seed in 0..3 {
            let run = generate(seed, family, 700);
            let failed = run.failed_at.unwrap();
            let rows = judge(&run.columns, &NAMES);
            let warned = (failed - 60..failed - 9).any(|i| rows[i].risk() >= 0.5);
            assert!(warned, "{family:?} {seed}: {:.2}", rows[failed - 10].risk());
            let end: f64 = rows[failed - 10..failed].iter().map(RowVerdict::stability).sum::<f64>() / 10.0;
            assert!(end <= 0.4, "{family:?} {seed}: {end}");
            let early = rows[120..280].iter().filter(|r| r.risk() >= 0.5).count();
            assert_eq!(early, 0, "{family:?} {seed}: alarms long before");
        }
    }
}

#[test]
fn an_overload_is_seen_before_it_fails() {
    for seed in 0..3 {
        let run = generate(seed, Family::LoadRamp, 700);
        let failed = run.failed_at.unwrap();
        let rows = judge(&run.columns, &NAMES);
        assert!(rows[failed - 1].risk() >= 0.5 && rows[failed - 1].stability() <= 0.4, "{seed}");
    }
}

#[test]
fn what_only_looks_like_trouble_raises_no_alarm_for_long() {
    for family in [Family::Quiet, Family::GcSaw, Family::LogRotate, Family::DeployStep] {
        for seed in 10..13 {
            let run = generate(seed, family, 900);
            if run.failed_at.is_some() {
                continue;
            }
            let rows = judge(&run.columns, &NAMES);
            let alarms = rows[300..].iter().filter(|r| r.risk() >= 0.5).count();
            assert!(alarms <= 6, "{family:?} {seed}: {alarms} of 600 rows");
        }
    }
}
