//! Files of counters that another process left.

use crate::marks::{mark, mark_variant};
use packet_io::counter_file::parse;
use vic::Uuid;
use vis::store::blocks::{layout, totals};

/// `data` is such a file: as it is, behind a good header, and there with what it lacks of a whole number of blocks, so that
/// an input is one whatever is counted.
///
/// # Panics
/// The reader panics, or takes a part of a file, or a count that is none.
pub fn counter_file(data: &[u8]) {
    let layout = layout(Uuid([1; 16]), 8);
    let good = layout.header_octets(7);
    let behind: Vec<u8> = good.iter().chain(data).copied().collect();
    let mut whole = behind.clone();
    let blocks = data.len().div_ceil(layout.block_octets());
    whole.resize(good.len() + blocks * layout.block_octets(), 0);
    for octets in [data, &behind[..], &whole[..]] {
        let blocks = match parse(octets, &layout, 7) {
            Ok(blocks) => blocks,
            Err(why) => {
                mark_variant("refused", &why);
                continue;
            }
        };
        mark("blocks", blocks.len());
        assert_eq!(
            (octets.len() - good.len()) % blocks.len().max(1),
            0,
            "a part of a block was read"
        );
        assert!(blocks.len() <= 8);
        for total in totals(&blocks).into_values() {
            let most = 2 * niv::Counters::MOST;
            assert!(total.to_words().iter().all(|word| *word <= most));
        }
    }
}
