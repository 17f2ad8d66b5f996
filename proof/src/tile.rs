//! C2SP tlog-tiles: the tree as static files of at most 256 hashes.

use std::fmt;

use crate::digest::Digest;
use crate::text::{decimal, small_decimal};

/// Hashes in a full tile.
const WIDTH: u16 = 256;

/// Tree levels that a tile spans.
const HEIGHT: u8 = 8;

/// Tile levels 0 to 7 hold every tree below 2^63 leaves.
const MAX_LEVEL: u8 = 7;

/// A tile of hashes, full or partial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile at `level` and `index` with its first `width` hashes, 1 to 256; `None` when no
    /// tree has it.
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        if level > MAX_LEVEL || !(1..=WIDTH).contains(&width) {
            return None;
        }
        let leaves = (u128::from(index) + 1) << (u32::from(HEIGHT) * (u32::from(level) + 1));
        (leaves <= 1 << 64).then_some(Self {
            level,
            index,
            width,
        })
    }

    /// The tile at `level` and `index` as wide as a tree of `size` leaves has it; `None` when it
    /// has no hash there.
    pub fn of_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(u32::from(HEIGHT) * u32::from(level))?;
        let rest = hashes.checked_sub(index.checked_mul(u64::from(WIDTH))?)?;
        let width = u16::try_from(rest.min(u64::from(WIDTH))).ok()?;
        Self::new(level, index, width)
    }

    /// Reads `tile/<L>/<N>[.p/<W>]`; only the exact form that `Display` writes is accepted.
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, small_decimal(width)?),
            None => (rest, WIDTH),
        };
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let significant = digits.trim_start_matches('0');
        let index = decimal(if significant.is_empty() {
            "0"
        } else {
            significant
        })?;
        let tile = Self::new(small_decimal(level)?, index, width)?;
        (tile.to_string() == path).then_some(tile)
    }

    /// The tile level; level L holds nodes of tree level 8·L.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The place among the tiles of its level.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The number of hashes.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The bytes: 32 for each hash, read from complete nodes; `None` when one is missing.
    pub fn content(&self, mut read: impl FnMut(u8, u64) -> Option<Digest>) -> Option<Vec<u8>> {
        let first = self.index * u64::from(WIDTH);
        let mut bytes = Vec::with_capacity(usize::from(self.width) * 32);
        for place in 0..u64::from(self.width) {
            bytes.extend(read(self.level * HEIGHT, first + place)?.as_bytes());
        }
        Some(bytes)
    }
}

/// The path under the log's prefix, for instance `tile/0/x001/x234/067.p/5`.
impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, mut number) = (self.index / 1000, format!("{:03}", self.index % 1000));
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        write!(formatter, "tile/{}/{number}", self.level)?;
        match self.width {
            WIDTH => Ok(()),
            width => write!(formatter, ".p/{width}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tree::{Frontier, leaf_hash, node_hash};

    #[test]
    fn paths_are_those_of_the_specification() {
        let deep = Tile::new(0, 1_234_067, 256).unwrap();
        assert_eq!(deep.to_string(), "tile/0/x001/x234/067");
        assert_eq!(Tile::new(1, 0, 17).unwrap().to_string(), "tile/1/000.p/17");
        for path in ["tile/0/x001/x234/067", "tile/1/000.p/17", "tile/7/000.p/1"] {
            assert_eq!(Tile::parse(path).unwrap().to_string(), path);
        }
        let bad = [
            "",
            "tile/0/0",
            "tile/00/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/x000/000",
            "tile/0/1234",
            "tile/8/000",
            "tile/0/000/",
            "tile/7/001",
            "tile/0/x000/x000/x000/x000/x000/x000/x000/001",
            "tile/entries/000",
        ];
        for path in bad {
            assert_eq!(Tile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_specifications_example_of_70_000_leaves() {
        let width = |level, index| Tile::of_tree(level, index, 70_000).map(|tile| tile.width());
        assert_eq!(
            (width(0, 272), width(0, 273), width(0, 274)),
            (Some(256), Some(112), None)
        );
        assert_eq!((width(1, 0), width(1, 1)), (Some(256), Some(17)));
        assert_eq!((width(2, 0), width(3, 0)), (Some(1), None));
    }

    #[test]
    fn upper_tiles_hold_the_roots_of_lower_ones() {
        let (mut tree, mut nodes) = (Frontier::new(), BTreeMap::new());
        for number in 0_u64..600 {
            for node in tree.append(leaf_hash(&number.to_be_bytes())) {
                nodes.insert((node.level, node.index), node.hash);
            }
        }
        let read = |level, index| nodes.get(&(level, index)).copied();
        let content = |level, index| Tile::of_tree(level, index, 600).unwrap().content(read);
        let lower = content(0, 1).unwrap();
        let digest = |chunk: &[u8]| Digest::from_bytes(chunk.try_into().unwrap());
        let mut hashes: Vec<Digest> = lower.chunks(32).map(digest).collect();
        while hashes.len() > 1 {
            hashes = hashes
                .chunks(2)
                .map(|pair| node_hash(pair[0], pair[1]))
                .collect();
        }
        assert_eq!(content(1, 0).unwrap()[32..], hashes[0].as_bytes()[..]);
        assert_eq!(content(0, 2).unwrap().len(), 88 * 32);
        assert_eq!(Tile::new(0, 3, 1).unwrap().content(read), None);
    }
}
