//! Nothing is allocated per frame (design.md section 4.2): counted, once everything that grows has
//! grown.

use allocation_counter::measure;
use benches::{
    Exchange, FAR_STATIONS, Host, NEAR, Nowhere, WITH_OFFLOAD, WITHOUT_OFFLOAD, burst, down,
    down_to_list, ethernet, lent, mac, oversized, received, tagged, up,
};
use interface_virtualizer::core::{Account, VnicId};
use niv::{Gather, Mac, PortId};
use packet_io::dispatch::Dispatcher;
use packet_io::{BURST, Outgoing, RxFrame};
use vis::switch::FilterList;
use vntag::VnTag;

/// `work` twice: the second time it allocates nothing.
fn allocates_nothing(mut work: impl FnMut()) {
    work();
    let counted = measure(work);
    assert_eq!((counted.count_total, counted.bytes_total), (0, 0));
}

#[test]
fn the_counter_counts() {
    assert_eq!(
        measure(|| drop(std::hint::black_box(vec![1u8; 99]))).bytes_total,
        99
    );
}

#[test]
fn a_frame_up_allocates_nothing() {
    let mut host = Host::new(16);
    let mut dispatcher = Dispatcher::new();
    let frames = burst(|_| ethernet(mac(2), mac(1), 60));
    let frames = lent(&frames);
    let vnic = Account::Vnic(VnicId(3));
    assert_eq!(host.receive(vnic, &frames).len(), BURST);
    allocates_nothing(|| host.pass_up(vnic, &frames, &mut dispatcher));
}

#[test]
fn a_frame_down_allocates_nothing() {
    let mut host = Host::new(16);
    let frames = burst(|n| {
        let word = if n % 8 == 0 {
            down_to_list(1)
        } else {
            down(1 + n % 16)
        };
        tagged(word, &ethernet(mac(2), mac(1), 60))
    });
    let frames = lent(&frames);
    let copies = host.receive(Account::Uplink, &frames).len();
    assert_eq!(copies, 56 + 8 * 16);
    allocates_nothing(|| {
        host.receive(Account::Uplink, &frames);
    });
}

#[test]
fn a_hairpin_and_a_frame_between_hosts_allocate_nothing() {
    let mut switch = Exchange::new(64, 64, 1 << 10);
    let frames = burst(|n| {
        let to = u32::from((n + 2) % 64) + 1 + if n % 2 == 0 { 0 } else { FAR_STATIONS };
        tagged(up(n + 1), &ethernet(mac(to), mac(u32::from(n) + 1), 60))
    });
    let frames = lent(&frames);
    assert_eq!(switch.pass(NEAR, &frames), BURST);
    allocates_nothing(|| {
        switch.pass(NEAR, &frames);
    });
}

#[test]
fn frames_that_a_list_judges_and_logs_allocate_nothing() {
    let list = "mac access-list all\n10 deny any host 0200.0000.0001\n20 permit any any log\n";
    let list = FilterList::new(list.parse().unwrap());
    let mut switch = Exchange::with_access_list(64, 64, 1 << 10, &list);
    let frames = burst(|n| {
        let to = u32::from((n + 1) % 64) + 1;
        tagged(up(n + 1), &ethernet(mac(to), mac(u32::from(n) + 1), 60))
    });
    let frames = lent(&frames);
    assert_eq!(switch.pass(NEAR, &frames), BURST - 1);
    allocates_nothing(|| {
        switch.pass(NEAR, &frames);
    });
}

#[test]
fn a_flood_allocates_nothing() {
    let mut switch = Exchange::new(1000, 0, 1 << 11);
    let frame = tagged(up(7), &ethernet(Mac::BROADCAST, mac(7), 60));
    assert_eq!(switch.pass(NEAR, &[received(&frame)]), 1000);
    allocates_nothing(|| {
        switch.pass(NEAR, &[received(&frame)]);
    });
}

#[test]
fn a_flood_by_list_allocates_nothing() {
    let mut switch = Exchange::with_lists(1000, 1000, 1 << 12);
    let frame = tagged(up(7), &ethernet(Mac::BROADCAST, mac(7), 60));
    // One for each link, and the plain port.
    assert_eq!(switch.pass(NEAR, &[received(&frame)]), 3);
    allocates_nothing(|| {
        switch.pass(NEAR, &[received(&frame)]);
    });
}

/// An attacker's favourite: a new address in every frame, long after the table is full.
#[test]
fn learning_allocates_nothing() {
    let mut switch = Exchange::new(4, 0, 256);
    let frames: Vec<_> = (0..1000)
        .map(|n| tagged(up(1), &ethernet(mac(2), mac(5_000 + n), 60)))
        .collect();
    let frames = lent(&frames);
    let mut bursts = frames.chunks(BURST).cycle();
    allocates_nothing(|| {
        for burst in bursts.by_ref().take(8) {
            switch.pass(NEAR, burst);
        }
    });
}

#[test]
fn sending_allocates_nothing() {
    let (bytes, offload, segments) = oversized();
    let unfinished = RxFrame {
        offload,
        ..received(&bytes)
    };
    let small = ethernet(mac(2), mac(1), 60);
    let mut frames = vec![received(&small); BURST - 1];
    frames.push(unfinished);
    let tag = Some(VnTag::from_word(up(1)));
    let copies: Vec<_> = (0..)
        .zip(&frames)
        .map(|(index, frame)| Outgoing {
            port: PortId(0),
            account: 0,
            frame: index,
            gather: Gather::new(frame.bytes, 12, tag, None).unwrap(),
            uncounted: 6,
            edit: packet_io::Edit::NONE,
        })
        .collect();
    let mut dispatcher = Dispatcher::new();
    for capabilities in [WITH_OFFLOAD, WITHOUT_OFFLOAD] {
        allocates_nothing(|| {
            let mut sent = 0;
            dispatcher.send(
                &mut Nowhere,
                &capabilities,
                true,
                &frames,
                &copies,
                &mut |_, weight, fate| sent += u32::from(fate.is_ok()) * weight.frames,
            );
            assert_eq!(sent, BURST as u32 - 1 + segments);
        });
    }
}
