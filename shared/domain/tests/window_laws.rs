//! The dedup windows against a model: a list of windows with linear search.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::window::{DedupWindows, Observation, SLACK_MICROS};
use proptest::prelude::*;

const WINDOW_SECONDS: i64 = 60;

const KEYS: u8 = 6;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

/// Returns the instant `micros` after a second.
fn after(second: i64, micros: usize) -> Timestamp {
    at(second).saturating_add_micros(i64::try_from(micros).expect("a test is short"))
}

#[derive(Debug, Clone)]
enum Step {
    /// An occurrence. It opens a window if accepted, announced at once or not yet.
    Occur { key: u8, second: i64, announce: bool },
    /// The announcement of the key's present window.
    Announce { key: u8 },
    /// Time passes, or the clock is set back.
    Pass { seconds: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..KEYS, 0..600_i64, any::<bool>())
            .prop_map(|(key, second, announce)| Step::Occur { key, second, announce }),
        2 => (0..KEYS).prop_map(|key| Step::Announce { key }),
        1 => (-60..300_i64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Held {
    key: u8,
    first_second: i64,
    value: u32,
    /// Second and sequence number of the earliest announcement.
    announced: Option<(i64, u32)>,
}

#[derive(Debug)]
struct Model {
    capacity: usize,
    held: Vec<Held>,
    announcements: u32,
    evicted_by_bound: u64,
}

impl Model {
    const fn new(capacity: usize) -> Self {
        Self { capacity, held: Vec::new(), announcements: 0, evicted_by_bound: 0 }
    }

    fn of(&self, key: u8) -> Option<Held> {
        self.held.iter().copied().find(|window| window.key == key)
    }

    fn announce(&mut self, key: u8, second: i64) {
        let is_earlier = |window: &&mut Held| window.announced.is_none_or(|(earlier, _)| second < earlier);
        let Some(window) = self.held.iter_mut().find(|window| window.key == key).filter(is_earlier) else {
            return;
        };
        self.announcements += 1;
        window.announced = Some((second, self.announcements));
        let announced = self.held.iter().filter(|window| window.announced.is_some());
        if announced.clone().count() > self.capacity {
            let first = announced.min_by_key(|window| window.announced).expect("more than none").key;
            self.held.retain(|window| window.key != first);
            self.evicted_by_bound += 1;
        }
    }

    fn open(&mut self, opened: Held) {
        self.held.retain(|window| window.key != opened.key);
        self.held.push(opened);
    }

    fn expire(&mut self, now: i64) {
        let kept = WINDOW_SECONDS + SLACK_MICROS / 1_000_000;
        self.held.retain(|window| window.announced.is_none_or(|(since, _)| now - since < kept));
    }
}

/// An output that announces a window.
struct Announcement {
    key: u8,
    first_second: i64,
    /// Value of the window if this is its first announcement.
    opens: Option<u32>,
    /// Unique: at the capacity, the order of announcements of the same instant cannot be restored.
    at: Timestamp,
}

/// Unannounced windows by key, with their values.
type Unannounced = BTreeMap<u8, (i64, u32)>;

/// Runs steps on windows. Returns the announcements in order, the unannounced windows, and the latest time of the clock.
fn run(
    steps: Vec<Step>,
    live: &mut DedupWindows<u8, u32>,
    may_be_set_back: bool,
) -> (Vec<Announcement>, Unannounced, i64) {
    let (mut log, mut unannounced) = (Vec::new(), Unannounced::new());
    let (mut now, mut latest) = (0, 0);
    let mut firsts = BTreeMap::new();
    for (value, step) in (0_u32..).zip(steps) {
        let announced = match step {
            Step::Occur { key, second, announce } => {
                if matches!(live.observe(key, at(second)), Observation::Inside { .. } | Observation::Older) {
                    continue;
                }
                live.open_unannounced(key, at(second), value);
                unannounced.insert(key, (second, value));
                firsts.insert(key, second);
                announce.then_some(key)
            }
            Step::Announce { key } => firsts.contains_key(&key).then_some(key),
            Step::Pass { seconds } => {
                now += if may_be_set_back { seconds } else { seconds.max(0) };
                latest = latest.max(now);
                live.expire(at(now));
                None
            }
        };
        if let Some(key) = announced {
            let (first_second, opens) = (firsts[&key], unannounced.remove(&key).map(|(_, value)| value));
            let announced_at = after(now, log.len());
            live.announced(key, at(first_second), announced_at);
            log.push(Announcement { key, first_second, opens, at: announced_at });
        }
    }
    (log, unannounced, latest)
}

/// Returns the position of an occurrence in the model, with `first_seen` and value if it is inside.
fn observe(held: Option<Held>, second: i64) -> (&'static str, Option<(Timestamp, u32)>) {
    match held {
        None => ("new", None),
        Some(window) if second - window.first_second > WINDOW_SECONDS => ("later", None),
        Some(window) if window.first_second - second > WINDOW_SECONDS => ("older", None),
        Some(window) => ("inside", Some((at(window.first_second), window.value))),
    }
}

fn named(observed: Observation<'_, u32>) -> (&'static str, Option<(Timestamp, u32)>) {
    match observed {
        Observation::New => ("new", None),
        Observation::Later => ("later", None),
        Observation::Older => ("older", None),
        Observation::Inside { first_seen, value } => ("inside", Some((first_seen, *value))),
    }
}

proptest! {
    #[test]
    fn windows_equal_a_naive_list(
        steps in prop::collection::vec(any_step(), 0..200),
        capacity in 1_usize..8,
    ) {
        let mut windows = DedupWindows::<u8, u32>::new(WINDOW_SECONDS * 1_000_000, capacity);
        let mut model = Model::new(capacity);
        let mut now = 0;
        for (value, step) in (0_u32..).zip(steps) {
            match step {
                Step::Occur { key, second, announce } => {
                    let expected = observe(model.of(key), second);
                    prop_assert_eq!(named(windows.observe(key, at(second))), expected);
                    if expected.0 == "new" || expected.0 == "later" {
                        model.open(Held { key, first_second: second, value, announced: None });
                        if announce {
                            model.announce(key, now);
                            windows.open(key, at(second), value, at(now));
                        } else {
                            windows.open_unannounced(key, at(second), value);
                        }
                    }
                }
                Step::Announce { key } => {
                    if let Some(window) = model.of(key) {
                        model.announce(key, now);
                        windows.announced(key, at(window.first_second), at(now));
                    }
                }
                Step::Pass { seconds } => {
                    now += seconds;
                    windows.expire(at(now));
                    model.expire(now);
                }
            }
            prop_assert_eq!(windows.len(), model.held.len());
            prop_assert_eq!(windows.evicted_by_bound(), model.evicted_by_bound);
        }
    }

    /// At any end of the owner and for any order of reading the outputs of different keys: announced windows are restored and expire
    /// at the same time.
    #[test]
    fn windows_rebuilt_from_announcements_equal_live_ones(
        steps in prop::collection::vec(any_step(), 0..200),
        capacity in 1_usize..8,
        first_read in 0..KEYS,
        ahead in 0..400_i64,
    ) {
        let new = || DedupWindows::<u8, u32>::new(WINDOW_SECONDS * 1_000_000, capacity);
        let (mut live, mut rebuilt) = (new(), new());
        // At the capacity the order of announcements matters, which is lost if the clock is set back. An unannounced window has
        // replaced an announced one, which is restored.
        let is_limited = capacity < usize::from(KEYS);
        let (mut log, mut remaining, latest) = run(steps, &mut live, !is_limited);
        if is_limited {
            for (key, (first_second, value)) in std::mem::take(&mut remaining) {
                let announced_at = after(latest, log.len());
                live.announced(key, at(first_second), announced_at);
                log.push(Announcement { key, first_second, opens: Some(value), at: announced_at });
            }
        }
        log.sort_by_key(|announcement| (announcement.key + first_read) % KEYS);
        for Announcement { key, first_second, opens, at: announced_at } in log {
            match opens {
                Some(value) => rebuilt.open(key, at(first_second), value, announced_at),
                None => rebuilt.announced(key, at(first_second), announced_at),
            }
        }
        for now in [latest, latest + ahead] {
            live.expire(at(now));
            rebuilt.expire(at(now));
            for key in (0..KEYS).filter(|key| !remaining.contains_key(key)) {
                for second in 0..600 {
                    prop_assert_eq!(live.observe(key, at(second)), rebuilt.observe(key, at(second)));
                }
            }
        }
    }
}
