//! A number for what a client is shown, which says whether that has changed.

/// Made of all that is shown, one value after the other (FNV-1a). It only has to differ, not to resist anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShownTag(u64);

impl Default for ShownTag {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl ShownTag {
    /// Takes a value in.
    pub fn add(&mut self, value: u64) {
        // The turn lets the upper bits of values count in the lower ones, too.
        self.0 = (self.0 ^ value).wrapping_mul(0x0100_0000_01B3).rotate_left(29);
    }

    /// Takes bytes in.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.add(u64::from(*byte)));
    }

    /// The number.
    pub fn value(self) -> u64 {
        self.0
    }
}
