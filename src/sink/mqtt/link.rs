//! One connection to a broker: messages out, acknowledgements in, until it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::answer;
use super::dial::Stream;
use super::settings::Version;
use super::wire::{self, Broker, Incoming};
use crate::sink::longest_way;

/// Messages without an acknowledgement at the same time, whatever a broker allows.
const UNACKNOWLEDGED_MAX: u16 = 1024;

/// A live connection. It is closed without a word when dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) broker: Broker,
    frames: mpsc::Sender<Frame>,
    post: Arc<Post>,
    window: Semaphore,
    request_timeout: Duration,
    task: AbortHandle,
}

/// How a message fared.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// The broker says this of it.
    Answered { code: u8, words: Option<Box<str>> },
    /// It was the largest on its way when the broker left because one was too large.
    TooLarge(String),
    /// Nobody knows: the connection broke.
    Unknown(String),
}

/// Bytes to be written in one go.
struct Frame {
    head: Vec<u8>,
    payload: Bytes,
    written: oneshot::Sender<()>,
    is_last: bool,
}

/// What waits for an acknowledgement.
#[derive(Debug, Default)]
struct Post {
    desk: Mutex<Desk>,
    /// Something outside of the connection's own task has broken it.
    broke: Notify,
    /// It is at its end.
    ended: Notify,
}

#[derive(Debug, Default)]
struct Desk {
    waiting: BTreeMap<u16, Waiting>,
    /// Numbers of messages that are on their way, or about to be.
    given: BTreeSet<u16>,
    last_pid: u16,
    is_ping_out: bool,
    broken: Option<String>,
    /// The broker left because another client came under our name.
    is_taken_over: bool,
    is_too_large: bool,
}

impl Desk {
    fn is_free(&self, pid: u16) -> bool {
        !self.waiting.contains_key(&pid) && !self.given.contains(&pid)
    }

    /// Notes a ping. Whether the one before was not answered, though no message was on its way: behind one, a
    /// ping waits as long as the network is slow, and each message has a limit of its own.
    fn is_silent(&mut self) -> bool {
        std::mem::replace(&mut self.is_ping_out, true) && self.waiting.is_empty()
    }
}

/// The number of a message; free for others when dropped.
#[derive(Debug)]
pub(super) struct Pid {
    pub(super) number: u16,
    post: Arc<Post>,
}

impl Drop for Pid {
    fn drop(&mut self) {
        self.post.desk().given.remove(&self.number);
    }
}

#[derive(Debug)]
struct Waiting {
    fate: oneshot::Sender<Fate>,
    bytes: usize,
}

impl Link {
    /// Takes over a connection on which we were welcomed.
    pub(super) fn new(
        stream: Box<dyn Stream>,
        broker: Broker,
        version: Version,
        (keep_alive, request_timeout): (Duration, Duration),
    ) -> Self {
        let post = Arc::new(Post::default());
        let (frames, queue) = mpsc::channel(1);
        let keep_alive =
            broker.keep_alive_s.map_or(keep_alive, |told| Duration::from_secs(told.max(2).into()));
        let (reader, writer) = tokio::io::split(stream);
        let (run, window) = (Arc::clone(&post), broker.receive_max.clamp(1, UNACKNOWLEDGED_MAX));
        let task = tokio::spawn(async move {
            let why = tokio::select! {
                why = receive(version, reader, &run) => why,
                why = send(writer, queue, &run, (keep_alive, request_timeout)) => why,
                () = run.broke.notified() => String::new(),
            };
            run.fail(&why);
            run.ended.notify_waiters();
        });
        let task = task.abort_handle();
        Self { broker, frames, post, window: Semaphore::new(window.into()), request_timeout, task }
    }

    /// Why it is of no use any more.
    pub(super) fn broken(&self) -> Option<String> {
        self.post.desk().broken.clone()
    }

    /// Whether another client has come under our name.
    pub(super) fn is_taken_over(&self) -> bool {
        self.post.desk().is_taken_over
    }

    /// Returns when it has broken.
    pub(super) async fn ended(&self) {
        let ended = self.post.ended.notified();
        if self.broken().is_none() {
            ended.await;
        }
    }

    /// A number for a message, which no other message has for as long as this one is on its way; `again` if that is
    /// free.
    pub(super) fn pid(&self, again: Option<u16>, reserved: impl Fn(u16) -> bool) -> Pid {
        let mut desk = self.post.desk();
        let mut number = again.filter(|pid| desk.is_free(*pid));
        for _ in 0..=u16::MAX {
            if number.is_some() {
                break;
            }
            desk.last_pid = desk.last_pid.checked_add(1).unwrap_or(1);
            number = Some(desk.last_pid).filter(|pid| desk.is_free(*pid) && !reserved(*pid));
        }
        // There are many times as many numbers as messages on their way, and as any that are reserved.
        let number = number.unwrap_or(desk.last_pid);
        desk.given.insert(number);
        Pid { number, post: Arc::clone(&self.post) }
    }

    /// Sends a message whose number is `pid`, and waits for what comes of it.
    pub(super) async fn publish(&self, pid: &Pid, head: Vec<u8>, payload: Bytes) -> Fate {
        let Ok(_turn) = self.window.acquire().await else { return self.unknown() };
        let bytes = head.len() + payload.len();
        let upload = longest_way(payload.len());
        let (sender, mut fate) = oneshot::channel();
        {
            let mut desk = self.post.desk();
            if let Some(why) = &desk.broken {
                return Fate::Unknown(why.clone());
            }
            desk.waiting.insert(pid.number, Waiting { fate: sender, bytes });
        }
        let (written, is_written) = oneshot::channel();
        let frame = Frame { head, payload, written, is_last: false };
        // The connection's own task bounds how long a write may take, and says so where it does not succeed.
        if self.frames.send(frame).await.is_err() || is_written.await.is_err() {
            return fate.try_recv().unwrap_or_else(|_| self.unknown());
        }
        let limit = self.request_timeout + upload;
        if let Ok(fate) = tokio::time::timeout(limit, &mut fate).await {
            return fate.unwrap_or_else(|_| self.unknown());
        }
        // On this connection it must not be sent again (MQTT 5, 4.4).
        self.post.fail(&format!("it did not acknowledge a batch within {} s", limit.as_secs()));
        self.post.broke.notify_one();
        self.unknown()
    }

    /// Takes leave, so that the broker publishes no will.
    pub(super) async fn close(&self) {
        let (written, is_written) = oneshot::channel();
        let frame = Frame { head: wire::goodbye(), payload: Bytes::new(), written, is_last: true };
        if self.frames.send(frame).await.is_ok() {
            let _ = is_written.await;
        }
    }

    fn unknown(&self) -> Fate {
        Fate::Unknown(self.broken().unwrap_or_else(|| "the connection was closed".to_owned()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Post {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the connection as broken, and tells all that wait. The first reason stays.
    fn fail(&self, why: &str) {
        let mut desk = self.desk();
        let why = desk.broken.get_or_insert_with(|| why.to_owned()).clone();
        let largest = desk.waiting.values().map(|waiting| waiting.bytes).max();
        let is_too_large = desk.is_too_large;
        for (_, waiting) in std::mem::take(&mut desk.waiting) {
            let is_largest = is_too_large && Some(waiting.bytes) == largest;
            let fate = if is_largest { Fate::TooLarge(why.clone()) } else { Fate::Unknown(why.clone()) };
            // Whoever waited may have gone.
            let _ = waiting.fate.send(fate);
        }
    }

    /// Notes what the broker says; the reason where that is the end.
    fn hear(&self, said: Incoming) -> Option<String> {
        let mut desk = self.desk();
        match said {
            Incoming::Acknowledged { pid, code, words } => {
                if let Some(waiting) = desk.waiting.remove(&pid) {
                    let _ = waiting.fate.send(Fate::Answered { code, words });
                }
                None
            }
            Incoming::Pong => {
                desk.is_ping_out = false;
                None
            }
            Incoming::Leave { code, words } => {
                desk.is_taken_over = code == answer::SESSION_TAKEN_OVER;
                desk.is_too_large = code == answer::PACKET_TOO_LARGE;
                Some(answer::of_leave(code, words.as_deref()))
            }
            Incoming::Welcome { .. } => Some("it welcomed us twice".to_owned()),
            Incoming::Other => None,
        }
    }
}

/// Reads until the connection ends; says why it did.
async fn receive(version: Version, mut reader: ReadHalf<Box<dyn Stream>>, post: &Post) -> String {
    loop {
        match wire::read(version, &mut reader).await {
            Ok(said) => {
                if let Some(why) = post.hear(said) {
                    return why;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return "it closed the connection".to_owned();
            }
            Err(error) => return error.to_string(),
        }
    }
}

/// Writes what is to be sent, and a ping twice in each keep-alive; says why that ended.
async fn send(
    mut writer: WriteHalf<Box<dyn Stream>>,
    mut queue: mpsc::Receiver<Frame>,
    post: &Post,
    (keep_alive, request_timeout): (Duration, Duration),
) -> String {
    let every = keep_alive / 2;
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            frame = queue.recv() => frame,
            _ = ticks.tick() => None,
        };
        let (head, payload) = match &frame {
            Some(frame) => (frame.head.clone(), frame.payload.clone()),
            None if post.desk().is_silent() => {
                return format!("it has been silent for {} s", every.as_secs());
            }
            None => (wire::ping(), Bytes::new()),
        };
        let limit = request_timeout + longest_way(payload.len());
        match tokio::time::timeout(limit, write(&mut writer, &head, &payload)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return format!("it took no batch within {} s", limit.as_secs()),
        }
        if let Some(frame) = frame {
            let _ = frame.written.send(());
            if frame.is_last {
                let _ = writer.shutdown().await;
                return "we have left".to_owned();
            }
        }
    }
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), head: &[u8], payload: &[u8]) -> io::Result<()> {
    writer.write_all(head).await?;
    writer.write_all(payload).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_two_messages_that_are_on_their_way_have_one_number() {
        let (ours, _theirs) = tokio::io::duplex(1024);
        let broker = Broker {
            has_session: false,
            packet_bytes_max: None,
            receive_max: u16::MAX,
            has_qos_1: true,
            is_retaining: true,
            keep_alive_s: None,
        };
        let minute = Duration::from_mins(1);
        let link = Link::new(Box::new(ours), broker, Version::V5, (minute, minute));
        let first = link.pid(None, |_| false);
        // As many as go once around.
        for _ in 0..=u16::MAX {
            let other = link.pid(Some(first.number), |pid| pid == 7);
            assert!(![0, 7, first.number].contains(&other.number), "{}", other.number);
        }
        let number = first.number;
        drop(first);
        assert_eq!(link.pid(Some(number), |_| true).number, number, "its own again");
    }
}
