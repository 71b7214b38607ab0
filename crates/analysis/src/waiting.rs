//! What waits to be taken.

use std::collections::VecDeque;

/// Things that wait to be taken, in the order in which they came: at most `MOST`, beyond them the oldest are dropped and
/// counted.
///
/// ```
/// use echobase_analysis::waiting::Waiting;
///
/// let mut waiting = Waiting::<_, 3>::default();
/// (0..5).for_each(|n| waiting.push(n));
/// let (taken, dropped) = waiting.take();
/// assert_eq!((taken.clone(), dropped), (vec![2, 3, 4], 2));
/// waiting.push(5);
/// waiting.put_back(taken);
/// assert_eq!(waiting.take(), (vec![3, 4, 5], 1));
/// ```
#[derive(Clone, Debug)]
pub struct Waiting<T, const MOST: usize> {
    things: VecDeque<T>,
    dropped: u64,
}

impl<T, const MOST: usize> Default for Waiting<T, MOST> {
    fn default() -> Self {
        Self { things: VecDeque::new(), dropped: 0 }
    }
}

impl<T, const MOST: usize> Waiting<T, MOST> {
    /// Adds the newest.
    pub fn push(&mut self, thing: T) {
        self.things.push_back(thing);
        self.bound();
    }

    /// All that waits, and how many were dropped since the last call.
    pub fn take(&mut self) -> (Vec<T>, u64) {
        (std::mem::take(&mut self.things).into(), std::mem::take(&mut self.dropped))
    }

    /// Puts what was taken back before all that came since.
    pub fn put_back(&mut self, taken: Vec<T>) {
        for thing in taken.into_iter().rev() {
            self.things.push_front(thing);
        }
        self.bound();
    }

    /// What waits, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.things.iter()
    }

    fn bound(&mut self) {
        while self.things.len() > MOST {
            self.things.pop_front();
            self.dropped += 1;
        }
    }
}
