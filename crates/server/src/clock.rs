//! The one place that reads the wall clock.

use std::sync::Arc;
use std::time::SystemTime;

use echobase_types::Timestamp;

/// A source of the present, handed to whoever needs one.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn system() -> Clock {
    Arc::new(|| {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is handed")]
        let now = SystemTime::now();
        let micros = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_micros());
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    })
}
