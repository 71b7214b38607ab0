//! The methods that are combined.

use super::autoregression::Autoregression;
use super::profile::Profile;
use super::smoothing::{Level, TwoSeasons};
use super::{Seasons, recall};

/// One method's name and its forecasts from each cut.
pub struct Member {
    /// Name of the method.
    pub name: &'static str,
    /// One forecast per cut.
    pub forecasts: Vec<Vec<f64>>,
}

/// Forecasts of all methods from each cut, the last cut being the end of the history.
pub fn all(y: &[f64], cuts: &[usize], horizon: usize, seasons: Seasons) -> Vec<Member> {
    let mut out = Vec::new();
    let mut put = |name, forecasts: Option<Vec<Vec<f64>>>| {
        if let Some(forecasts) = forecasts
            && forecasts.iter().flatten().all(|v| v.is_finite())
        {
            out.push(Member { name, forecasts });
        }
    };
    let each = |f: &dyn Fn(&[f64]) -> Option<Vec<f64>>| -> Option<Vec<Vec<f64>>> {
        cuts.iter().map(|cut| f(&y[..*cut])).collect()
    };
    put("naive", each(&|y| recall::seasonal(y, 1, horizon)));
    if seasons.short > 1 {
        put("snaive", each(&|y| recall::seasonal(y, seasons.short, horizon)));
        put("recent", each(&|y| recall::recent(y, seasons.short, horizon)));
    }
    if seasons.long > 0 {
        put("snaive-long", each(&|y| recall::seasonal(y, seasons.long, horizon)));
        put("recent-long", each(&|y| recall::recent(y, seasons.long, horizon)));
    }
    put("similar", each(&|y| recall::similar(y, seasons.short.clamp(12, 96), horizon)));
    let low = y.iter().copied().fold(f64::INFINITY, f64::min);
    let high = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let first = cuts.first().copied().unwrap_or(y.len());
    for log in [false, true] {
        if log && !(low > 0.0 && low > 0.02 * high) {
            continue;
        }
        let z: Vec<f64> = if log { y.iter().map(|v| v.ln()).collect() } else { y.to_vec() };
        let back = |forecasts: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            if !log {
                return forecasts;
            }
            forecasts.into_iter().map(|f| f.into_iter().map(|v| v.clamp(-700.0, 700.0).exp()).collect()).collect()
        };
        let names: [[&'static str; 10]; 2] = [
            ["ses", "damped", "theta", "ses-s", "damped-s", "theta-s", "ar", "two", "ar1", "ard"],
            ["ses/log", "damped/log", "theta/log", "ses-s/log", "damped-s/log", "theta-s/log", "ar/log", "two/log", "ar1/log", "ard/log"],
        ];
        let names = names[usize::from(log)];
        if !log {
            let level = Level::fit(&z[..first]);
            let all: Vec<_> = cuts.iter().map(|c| level.forecast(&z[..*c], horizon)).collect();
            for k in 0..3 {
                put(names[k], Some(back(all.iter().map(|a| a[k].clone()).collect())));
            }
        }
        if seasons.short > 1 {
            let rests: Vec<_> = cuts
                .iter()
                .map(|c| {
                    let profile = Profile::learn(&z[..*c], seasons);
                    let rest: Vec<f64> = z[..*c].iter().enumerate().map(|(i, v)| v - profile.at(i)).collect();
                    (profile, rest)
                })
                .collect();
            let level = Level::fit(&rests[0].1);
            let all: Vec<_> = rests
                .iter()
                .map(|(profile, rest)| {
                    level.forecast(rest, horizon).map(|f| {
                        f.into_iter().enumerate().map(|(k, v)| v + profile.at(rest.len() + k)).collect::<Vec<f64>>()
                    })
                })
                .collect();
            for k in 0..3 {
                put(names[3 + k], Some(back(all.iter().map(|a| a[k].clone()).collect())));
            }
            let rested = |_: ()| -> Option<Vec<Vec<f64>>> {
                let early = Autoregression::fit(&rests[0].1, Seasons { short: 1, long: 0 })?;
                let late = Autoregression::fit(&rests[rests.len() - 1].1, Seasons { short: 1, long: 0 })?;
                Some(
                    rests
                        .iter()
                        .enumerate()
                        .map(|(i, (profile, rest))| {
                            let model = if i + 1 == rests.len() { &late } else { &early };
                            model.forecast(rest, horizon).into_iter().enumerate()
                                .map(|(k, v)| v + profile.at(rest.len() + k)).collect()
                        })
                        .collect(),
                )
            };
            put(names[8], rested(()).map(back));
        }
        let ar = || -> Option<Vec<Vec<f64>>> {
            let early = Autoregression::fit(&z[..first], seasons)?;
            let late = Autoregression::fit(&z, seasons)?;
            Some(
                cuts.iter()
                    .map(|c| if *c == z.len() { &late } else { &early }.forecast(&z[..*c], horizon))
                    .collect(),
            )
        };
        put(names[6], ar().map(back));
        let m = seasons.short;
        let ard = || -> Option<Vec<Vec<f64>>> {
            let d: Vec<f64> = (m..z.len()).map(|i| z[i] - z[i - m]).collect();
            let early = Autoregression::fit(&d[..first.checked_sub(m)?], seasons)?;
            let late = Autoregression::fit(&d, seasons)?;
            Some(
                cuts.iter()
                    .map(|c| {
                        let steps = if *c == z.len() { &late } else { &early }.forecast(&d[..*c - m], horizon);
                        let mut tail = z[*c - m..*c].to_vec();
                        for (k, step) in steps.into_iter().enumerate() {
                            tail.push(tail[k] + step);
                        }
                        tail.split_off(m)
                    })
                    .collect(),
            )
        };
        put(names[9], ard().map(back));
        let two = || -> Option<Vec<Vec<f64>>> {
            let model = TwoSeasons::fit(&z[..first], seasons)?;
            Some(model.run(&z, cuts, horizon).1)
        };
        put(names[7], two().map(back));
    }
    out
}
