//! The methods that are combined, each run from every cut of the history.

use super::Seasons;
use super::autoregression::Autoregression;
use super::profile::Profile;
use super::recall;
use super::smoothing::Level;
use super::two_seasons::TwoSeasons;

/// One way to forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The last value, again and again.
    LastValue,
    /// The middle of the recent rows.
    RecentMedian,
    /// The last season once more.
    LastSeason,
    /// The recent seasons, weighted towards the last, at its level.
    RecentSeasons,
    /// The middle value at each place of the recent seasons.
    SeasonMedian,
    /// The last week once more.
    LastWeek,
    /// The recent weeks, weighted towards the last, at its level.
    RecentWeeks,
    /// What followed the stretches most like the last one.
    SimilarStretches,
    /// Exponential smoothing of the level.
    Smoothing,
    /// Exponential smoothing with a trend that fades.
    DampedTrend,
    /// Theta: smoothing with half the slope of the line through all.
    Theta,
    /// Smoothing with the slope of the line through all.
    Drift,
    /// Season taken out by its mean shape, then smoothing.
    SeasonalSmoothing,
    /// Season taken out by its mean shape, then a trend that fades.
    SeasonalDampedTrend,
    /// Season taken out by its mean shape, then Theta.
    SeasonalTheta,
    /// Season taken out by its mean shape, then drift.
    SeasonalDrift,
    /// Season taken out by its mean shape, then regression on the recent rows.
    SeasonalAutoregression,
    /// Regression on recent rows and on the same rows of earlier seasons.
    Autoregression,
    /// The same on the differences from the season before.
    DifferencedAutoregression,
    /// Smoothed level, day and week (exponential smoothing with two seasons).
    TwoSeasons,
}

impl Method {
    /// The method in words.
    ///
    /// ```
    /// assert_eq!(echobase_analysis::forecast::Method::LastSeason.name(), "last season");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::LastValue => "last value",
            Self::RecentMedian => "recent median",
            Self::LastSeason => "last season",
            Self::RecentSeasons => "recent seasons",
            Self::SeasonMedian => "median of seasons",
            Self::LastWeek => "last week",
            Self::RecentWeeks => "recent weeks",
            Self::SimilarStretches => "similar stretches",
            Self::Smoothing => "smoothing",
            Self::DampedTrend => "damped trend",
            Self::Theta => "theta",
            Self::Drift => "drift",
            Self::SeasonalSmoothing => "profile and smoothing",
            Self::SeasonalDampedTrend => "profile and damped trend",
            Self::SeasonalTheta => "profile and theta",
            Self::SeasonalDrift => "profile and drift",
            Self::SeasonalAutoregression => "profile and autoregression",
            Self::Autoregression => "autoregression",
            Self::DifferencedAutoregression => "autoregression of seasonal differences",
            Self::TwoSeasons => "two-season smoothing",
        }
    }
}

/// Where a method worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// On the values.
    Linear,
    /// On their logarithms: for growth and seasons in proportion to the level.
    Log,
}

/// A method with its forecasts, one per cut.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) method: Method,
    pub(super) space: Space,
    pub(super) forecasts: Vec<Vec<f64>>,
}

/// Forecasts of all methods that the history carries, from each of the rising `cuts`; the last cut is the end of `y`.
/// A forecast from a cut knows nothing behind it, and parameters are learned before the first cut.
pub(super) fn all(y: &[f64], cuts: &[usize], horizon: usize, seasons: Seasons) -> Vec<Member> {
    let mut members = Members::new(y);
    let each = |forecast: &dyn Fn(&[f64]) -> Option<Vec<f64>>| -> Option<Vec<Vec<f64>>> {
        cuts.iter().map(|cut| forecast(&y[..*cut])).collect()
    };
    let (short, long) = (seasons.short, seasons.long);
    members.put(Method::LastValue, Space::Linear, each(&|y| recall::seasonal(y, 1, horizon)));
    members.put(
        Method::RecentMedian,
        Space::Linear,
        each(&|y| recall::flat(y, short.max(horizon).min(y.len()), horizon)),
    );
    if short > 1 {
        members.put(Method::LastSeason, Space::Linear, each(&|y| recall::seasonal(y, short, horizon)));
        members.put(Method::RecentSeasons, Space::Linear, each(&|y| recall::recent(y, short, horizon)));
        members.put(Method::SeasonMedian, Space::Linear, each(&|y| recall::middle(y, short, horizon)));
    }
    if long > 0 {
        members.put(Method::LastWeek, Space::Linear, each(&|y| recall::seasonal(y, long, horizon)));
        members.put(Method::RecentWeeks, Space::Linear, each(&|y| recall::recent(y, long, horizon)));
    }
    let stretch = short.clamp(12, 96);
    members.put(Method::SimilarStretches, Space::Linear, each(&|y| recall::similar(y, stretch, horizon)));
    let plain = Rests::plain(y, cuts);
    let names = [Method::Smoothing, Method::DampedTrend, Method::Theta, Method::Drift];
    for (method, forecasts) in names.into_iter().zip(plain.smoothed(horizon)) {
        members.put(method, Space::Linear, Some(forecasts));
    }
    modelled(&mut members, y, cuts, horizon, seasons, Space::Linear);
    // A logarithm near zero would make the least value the most important one.
    if members.low > 0.0 && members.low > 0.02 * members.high {
        let logs: Vec<f64> = y.iter().map(|value| value.ln()).collect();
        modelled(&mut members, &logs, cuts, horizon, seasons, Space::Log);
    }
    members.list
}

/// The methods that are worth running in both spaces.
fn modelled(
    members: &mut Members,
    z: &[f64],
    cuts: &[usize],
    horizon: usize,
    seasons: Seasons,
    space: Space,
) {
    if seasons.short > 1 {
        let rests = Rests::seasonal(z, cuts, seasons);
        let names = [
            Method::SeasonalSmoothing,
            Method::SeasonalDampedTrend,
            Method::SeasonalTheta,
            Method::SeasonalDrift,
        ];
        for (method, forecasts) in names.into_iter().zip(rests.smoothed(horizon)) {
            members.put(method, space, Some(forecasts));
        }
        members.put(Method::SeasonalAutoregression, space, rests.regressed(horizon));
        members.put(Method::DifferencedAutoregression, space, differenced(z, cuts, horizon, seasons));
    }
    members.put(Method::Autoregression, space, regressed(z, cuts, horizon, seasons));
    let first = cuts.first().copied().unwrap_or(z.len());
    let two = TwoSeasons::fit(&z[..first], seasons).map(|model| model.forecast(z, cuts, horizon));
    members.put(Method::TwoSeasons, space, two);
}

/// Regression on the values; learned once for the back-test and once for the end.
fn regressed(z: &[f64], cuts: &[usize], horizon: usize, seasons: Seasons) -> Option<Vec<Vec<f64>>> {
    let early = Autoregression::fit(&z[..*cuts.first()?], seasons)?;
    let late = Autoregression::fit(z, seasons)?;
    let model = |cut: usize| if cut == z.len() { &late } else { &early };
    Some(cuts.iter().map(|cut| model(*cut).forecast(&z[..*cut], horizon)).collect())
}

/// Regression on the differences from the season before.
fn differenced(z: &[f64], cuts: &[usize], horizon: usize, seasons: Seasons) -> Option<Vec<Vec<f64>>> {
    let m = seasons.short;
    let steps: Vec<f64> = z.iter().zip(z.get(m..)?).map(|(before, value)| value - before).collect();
    let inner: Vec<usize> = cuts.iter().map(|cut| cut.checked_sub(m)).collect::<Option<_>>()?;
    let forecasts = regressed(&steps, &inner, horizon, seasons)?;
    let summed = cuts.iter().zip(forecasts).map(|(cut, steps)| {
        let mut tail = z[cut - m..*cut].to_vec();
        for (k, step) in steps.into_iter().enumerate() {
            tail.push(tail[k] + step);
        }
        tail.split_off(m)
    });
    Some(summed.collect())
}

/// What is left of the history before each cut when its season is taken out.
struct Rests(Vec<(Profile, Vec<f64>)>);

impl Rests {
    fn plain(z: &[f64], cuts: &[usize]) -> Self {
        Self(cuts.iter().map(|cut| (Profile::NONE, z[..*cut].to_vec())).collect())
    }

    fn seasonal(z: &[f64], cuts: &[usize], seasons: Seasons) -> Self {
        let rest = |cut: &usize| {
            let z = &z[..*cut];
            let profile = Profile::learn(z, seasons);
            let rest = profile.removed(z);
            (profile, rest)
        };
        Self(cuts.iter().map(rest).collect())
    }

    /// Simple smoothing, damped trend, Theta and drift, from each cut, with the season put back.
    fn smoothed(&self, horizon: usize) -> [Vec<Vec<f64>>; 4] {
        let mut out: [Vec<Vec<f64>>; 4] = Default::default();
        let level = Level::fit(self.0.first().map_or(&[][..], |(_, rest)| rest));
        for (profile, rest) in &self.0 {
            for (out, mut forecast) in out.iter_mut().zip(level.forecast(rest, horizon)) {
                profile.put_back(&mut forecast, rest.len());
                out.push(forecast);
            }
        }
        out
    }

    /// Regression on the recent rows, from each cut, with the season put back.
    fn regressed(&self, horizon: usize) -> Option<Vec<Vec<f64>>> {
        let none = Seasons { short: 1, long: 0 };
        let early = Autoregression::fit(&self.0.first()?.1, none)?;
        let late = Autoregression::fit(&self.0.last()?.1, none)?;
        let forecast = |(i, (profile, rest)): (usize, &(Profile, Vec<f64>))| {
            let model = if i + 1 == self.0.len() { &late } else { &early };
            let mut forecast = model.forecast(rest, horizon);
            profile.put_back(&mut forecast, rest.len());
            forecast
        };
        Some(self.0.iter().enumerate().map(forecast).collect())
    }
}

/// The members so far, and the range of the history, which no forecast leaves by more than twice its width.
struct Members {
    low: f64,
    high: f64,
    list: Vec<Member>,
}

impl Members {
    fn new(y: &[f64]) -> Self {
        let low = y.iter().copied().fold(f64::INFINITY, f64::min);
        let high = y.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { low, high, list: Vec::with_capacity(28) }
    }

    fn put(&mut self, method: Method, space: Space, forecasts: Option<Vec<Vec<f64>>>) {
        let Some(mut forecasts) = forecasts else { return };
        let room = 2.0 * (self.high - self.low);
        for value in forecasts.iter_mut().flatten() {
            if space == Space::Log {
                *value = value.exp();
            }
            if value.is_nan() {
                return;
            }
            *value = value.clamp(self.low - room, self.high + room);
        }
        self.list.push(Member { method, space, forecasts });
    }
}
