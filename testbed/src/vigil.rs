//! What must never happen in a lab of two boxes, watched for from its first frame to its last.

use crate::endpoint::frame::describe;
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::two_boxes::{NIV_LINKS, STATIONS, UPLINK};

/// Watches on every link: no VNTag anywhere but on NIV links, and nothing without one there.
pub(crate) struct Vigil {
    no_tag: Vec<(String, Watch)>,
    tag_only: Vec<(String, Watch)>,
    tags: Vec<Watch>,
}

impl Vigil {
    /// Begins, when the hosts are there and the NIV links are laid. What else becomes a device of a host
    /// later is watched too.
    ///
    /// # Errors
    /// No raw sockets to be had.
    pub(crate) fn begin(lab: &Lab) -> Result<Self> {
        let mut hosts: Vec<_> = STATIONS.iter().map(|station| station.host).collect();
        hosts.push("p2-nic");
        hosts.dedup();
        let no_tag = hosts
            .into_iter()
            .map(|name| {
                let watch = Watch::open(&lab.host(name)?.netns, Choice::Tagged)?;
                Ok((name.to_owned(), watch))
            })
            .collect::<Result<_>>()?;
        let ends = NIV_LINKS
            .into_iter()
            .flat_map(|(host, port)| [(host, UPLINK), ("vis", port)]);
        let mut tag_only = Vec::new();
        let mut tags = Vec::new();
        for (name, device) in ends {
            let host = lab.host(name)?;
            let interface = host.index(device)?.0;
            let watch = Watch::open(&host.netns, Choice::NotOnNivLinks { interface })?;
            tag_only.push((format!("{device} of {name}"), watch));
            let tag = Choice::ReceivedType(vntag::ethertype::VNTAG);
            tags.push(Watch::open(&host.netns, tag)?);
        }
        Ok(Self {
            no_tag,
            tag_only,
            tags,
        })
    }

    /// Says what was seen.
    ///
    /// # Errors
    /// A tag where none may be, or none where one must be.
    pub(crate) fn end(self, report: &Report) -> Result<()> {
        for (name, watch) in &self.no_tag {
            if let Some(frame) = watch.try_next()? {
                check(false, || {
                    format!("{name} got a tagged frame: {}", describe(&frame.bytes))
                })?;
            }
        }
        for (name, watch) in &self.tag_only {
            if let Some(frame) = watch.try_next()? {
                check(false, || {
                    format!(
                        "{name} got a frame without a tag: {}",
                        describe(&frame.bytes)
                    )
                })?;
            }
        }
        // The watches do see tags where they are: without this the two loops above prove nothing.
        let mut silent = 0;
        for watch in &self.tags {
            silent += usize::from(watch.try_next()?.is_none());
        }
        check(silent < self.tags.len(), || {
            "no tagged frame was seen on any NIV link either".to_owned()
        })?;
        report.figure(
            "tagged frames off the NIV links, untagged on",
            format!(
                "none, of {} and {} interfaces watched",
                self.no_tag.len(),
                self.tag_only.len()
            ),
        );
        Ok(())
    }
}
