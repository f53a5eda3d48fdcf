//! All chance of a simulation comes from here: splitmix64 from a seed, so that a failing world can be seen again.

use homeostat_logic::ledger::record::Id;

#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `sides` - 1.
    pub(crate) fn roll(&mut self, sides: i64) -> i64 {
        let rolled = self.next() % sides.max(1).unsigned_abs();
        i64::try_from(rolled).unwrap()
    }

    /// Both ends included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.roll(high - low + 1)
    }

    pub(crate) fn one_in(&mut self, sides: i64) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn per_mille(&mut self, share: i64) -> bool {
        self.roll(1000) < share
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        let length = i64::try_from(length).unwrap();
        usize::try_from(self.roll(length)).unwrap()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(crate) fn id(&mut self) -> Id {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        Id(bits.to_be_bytes())
    }
}
