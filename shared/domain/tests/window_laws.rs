//! The dedup windows against a naive model: a list of windows, searched from end to end.

use domain::Timestamp;
use domain::window::{DedupWindows, SLACK_MICROS, Seen};
use proptest::prelude::*;

const WINDOW_SECONDS: i64 = 60;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[derive(Debug, Clone)]
enum Step {
    /// An occurrence, opened when it may be; announced at once or not yet.
    Occur { key: u8, second: i64, announce: bool },
    /// The announcement of whatever window the key has.
    Announce { key: u8 },
    /// Time passes.
    Pass { seconds: i64 },
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..6_u8, 0..600_i64, any::<bool>())
            .prop_map(|(key, second, announce)| Step::Occur { key, second, announce }),
        2 => (0..6_u8).prop_map(|key| Step::Announce { key }),
        1 => (0..300_i64).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

#[derive(Debug, Clone, Copy)]
struct Held {
    key: u8,
    first_second: i64,
    value: u32,
    /// Its number among the announcements, and the second.
    announced: Option<(u32, i64)>,
}

#[derive(Debug, Default)]
struct Model {
    held: Vec<Held>,
    announcements: u32,
    forgotten_by_bound: u64,
}

impl Model {
    fn of(&self, key: u8) -> Option<Held> {
        self.held.iter().copied().find(|window| window.key == key)
    }

    fn announce(&mut self, key: u8, now: i64) {
        if let Some(window) = self.held.iter_mut().find(|w| w.key == key && w.announced.is_none()) {
            self.announcements += 1;
            window.announced = Some((self.announcements, now));
        }
    }

    fn open(&mut self, opened: Held, capacity: usize) {
        let is_full = self.of(opened.key).is_none() && self.held.len() >= capacity;
        let first = self.held.iter().filter(|w| w.announced.is_some()).min_by_key(|w| w.announced).copied();
        if let (true, Some(first)) = (is_full, first) {
            self.held.retain(|w| w.key != first.key);
            self.forgotten_by_bound += 1;
        }
        self.held.retain(|w| w.key != opened.key);
        self.held.push(opened);
    }

    fn expire(&mut self, now: i64) {
        let kept = WINDOW_SECONDS + SLACK_MICROS / 1_000_000;
        self.held.retain(|w| w.announced.is_none_or(|(_, since)| now - since < kept));
    }
}

/// What the model says of an occurrence; the window's first second and value when it is inside.
fn judge(held: Option<Held>, second: i64) -> (&'static str, Option<(Timestamp, u32)>) {
    match held {
        None => ("new", None),
        Some(window) if second - window.first_second > WINDOW_SECONDS => ("later", None),
        Some(window) if window.first_second - second > WINDOW_SECONDS => ("older", None),
        Some(window) => ("inside", Some((at(window.first_second), window.value))),
    }
}

fn name(seen: Seen<'_, u32>) -> (&'static str, Option<(Timestamp, u32)>) {
    match seen {
        Seen::New => ("new", None),
        Seen::Later => ("later", None),
        Seen::Older => ("older", None),
        Seen::Inside { first_seen, value } => ("inside", Some((first_seen, *value))),
    }
}

proptest! {
    #[test]
    fn windows_answer_as_a_naive_list_does(
        steps in prop::collection::vec(any_step(), 0..200),
        capacity in 1_usize..8,
    ) {
        let mut windows = DedupWindows::<u8, u32>::new(WINDOW_SECONDS * 1_000_000, capacity);
        let mut model = Model::default();
        let mut now = 0;
        for (value, step) in (0_u32..).zip(steps) {
            match step {
                Step::Occur { key, second, announce } => {
                    let expected = judge(model.of(key), second);
                    prop_assert_eq!(name(windows.observe(key, at(second))), expected);
                    if expected.0 == "new" || expected.0 == "later" {
                        model.open(Held { key, first_second: second, value, announced: None }, capacity);
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
            prop_assert_eq!(windows.forgotten_by_bound(), model.forgotten_by_bound);
        }
    }
}
