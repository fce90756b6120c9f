//! Numbers that look random but are the same each time (xorshift).

/// The state, which must not be 0.
pub struct Dice(pub u64);

impl Dice {
    /// The numbers of a test; `MFILTER_SEED` selects others.
    pub fn of(seed: u64) -> Dice {
        let chosen = std::env::var("MFILTER_SEED").ok().and_then(|seed| seed.parse().ok());
        // The first numbers after a small seed would be small themselves.
        let chosen = chosen.map(|seed: u64| seed.max(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Dice(chosen.unwrap_or(seed))
    }

    /// A number below `sides`; 0 if `sides` is 0.
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }

    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.roll(from.len())]
    }
}
