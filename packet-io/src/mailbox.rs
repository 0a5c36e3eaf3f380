//! How control reaches a worker: closures, run by the worker between two bursts.
//!
//! What the worker owns, control never touches: it asks. A worker with nothing to do for control pays one
//! relaxed load per burst.

use crate::poll::Waker;
use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// The worker's end: a worker of type `T` takes jobs from it.
pub struct Mailbox<T> {
    jobs: Receiver<Job<T>>,
    waiting: Arc<AtomicBool>,
}

/// Control's end. Cheap to clone.
pub struct Handle<T> {
    jobs: Sender<Job<T>>,
    waiting: Arc<AtomicBool>,
    waker: Waker,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
            waiting: self.waiting.clone(),
            waker: self.waker.clone(),
        }
    }
}

/// The worker has ended, and with it the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker has ended")]
pub struct WorkerGone;

/// A mailbox, and the handle that fills it. `waker` is that of the worker's poller.
pub fn mailbox<T>(waker: Waker) -> (Handle<T>, Mailbox<T>) {
    let (sender, jobs) = unbounded();
    let waiting = Arc::new(AtomicBool::new(false));
    let handle = Handle {
        jobs: sender,
        waiting: waiting.clone(),
        waker,
    };
    (handle, Mailbox { jobs, waiting })
}

impl<T> Mailbox<T> {
    /// Runs what is waiting, in the order it was sent. To be called between bursts.
    #[inline]
    pub fn run_pending(&self, worker: &mut T) {
        // Relaxed is enough to notice; the swap below and the channel order what matters. A job that is missed now
        // woke the poller, and so is found before the worker sleeps.
        if self.waiting.load(Ordering::Relaxed) {
            self.run(worker);
        }
    }

    #[cold]
    fn run(&self, worker: &mut T) {
        // Before the jobs are taken: one sent meanwhile sets it again.
        self.waiting.swap(false, Ordering::AcqRel);
        for job in self.jobs.try_iter() {
            job(worker);
        }
    }
}

impl<T: 'static> Handle<T> {
    /// Sends a job without waiting for it.
    ///
    /// # Errors
    /// The worker has ended.
    pub fn tell(&self, job: impl FnOnce(&mut T) + Send + 'static) -> Result<(), WorkerGone> {
        self.jobs.send(Box::new(job)).map_err(|_| WorkerGone)?;
        self.waiting.store(true, Ordering::Release);
        self.waker.wake();
        Ok(())
    }

    /// Sends a job and waits for what it returns. Blocks: not for a worker, nor on an async thread.
    ///
    /// # Errors
    /// The worker has ended, before the job or in the middle of it.
    pub fn ask<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, WorkerGone> {
        let (answer, answered) = bounded(1);
        self.tell(move |worker| {
            // Nobody waits any more only if the asking thread is gone.
            let _ = answer.send(job(worker));
        })?;
        answered.recv().map_err(|_| WorkerGone)
    }

    /// The same for an async thread, which goes on with other tasks meanwhile.
    ///
    /// # Errors
    /// As [`Handle::ask`].
    pub async fn answer<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, WorkerGone> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.tell(move |worker| {
            // Nobody waits any more if the asking task was dropped.
            let _ = answer.send(job(worker));
        })?;
        answered.await.map_err(|_| WorkerGone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::Poller;
    use std::thread;

    #[test]
    fn a_sleeping_worker_answers() {
        let mut poller = Poller::new().unwrap();
        let (handle, mailbox) = mailbox::<Vec<u32>>(poller.waker());
        let worker = thread::spawn(move || {
            let mut seen = Vec::new();
            let mut ready = Vec::new();
            while seen.len() < 1001 {
                poller.wait(None, &mut ready).unwrap();
                mailbox.run_pending(&mut seen);
            }
            seen
        });
        for n in 0..1000 {
            handle.tell(move |seen| seen.push(n)).unwrap();
        }
        let length = handle.ask(|seen| seen.len()).unwrap();
        assert_eq!(length, 1000);
        handle.tell(|seen| seen.push(1000)).unwrap();
        assert_eq!(worker.join().unwrap(), (0..=1000).collect::<Vec<_>>());
        assert_eq!(handle.ask(|seen| seen.len()), Err(WorkerGone));
    }

    #[test]
    fn a_worker_that_ends_with_a_job_waiting_lets_go_of_who_asked() {
        let poller = Poller::new().unwrap();
        let (handle, mailbox) = mailbox::<()>(poller.waker());
        let asking = thread::spawn(move || handle.ask(|()| ()));
        drop(mailbox);
        assert_eq!(asking.join().unwrap(), Err(WorkerGone));
    }
}
