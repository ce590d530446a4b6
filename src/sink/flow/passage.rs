//! A sink behind its flow.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::breaker::Who;
use super::{Flow, TICK, Waiter};
use crate::sink::{Facts, Object, Probed, PutOutcome, Sink, SinkError, longest_way};

/// Lets each request to a sink pass its [`Flow`].
pub struct Passage {
    sink: Arc<dyn Sink>,
    flow: Arc<Flow>,
    waiter: Waiter,
}

impl Passage {
    /// The way to `sink` by `flow`.
    #[must_use]
    pub fn to(sink: Arc<dyn Sink>, flow: Arc<Flow>, waiter: Waiter) -> Arc<dyn Sink> {
        Arc::new(Self { sink, flow, waiter })
    }

    /// Shows signs of life for as long as a request takes by our own limit, or over a slow line, and no longer: one
    /// that hangs is for the watchdog.
    async fn alive_for<T>(&self, takes: Duration, ask: impl Future<Output = T>) -> T {
        let until = tokio::time::Instant::now() + takes;
        let mut ask = std::pin::pin!(ask);
        loop {
            self.waiter.progress.step();
            self.flow.signs().step();
            let is_due = tokio::time::Instant::now() >= until;
            tokio::select! {
                answer = &mut ask => return answer,
                () = tokio::time::sleep(TICK), if !is_due => {}
            }
        }
    }

    async fn pass<T>(
        &self,
        who: Option<Who>,
        ask: impl Future<Output = Result<T, SinkError>>,
    ) -> Result<T, SinkError> {
        let ticket = self.flow.enter(0, who, &self.waiter).await?;
        self.waiter.progress.step();
        let answer = ask.await;
        ticket.settle(self.sink.describe(), answer)
    }
}

#[async_trait]
impl Sink for Passage {
    async fn put(&self, key: &str, object: &Object) -> Result<PutOutcome, SinkError> {
        let ticket = self.flow.enter(object.bytes.len() as u64, Some(Who::about(key)), &self.waiter).await?;
        self.waiter.progress.step();
        let bytes = object.bytes.len();
        let slowly = longest_way(bytes);
        let answer = match &ticket.pace {
            None => self.alive_for(slowly, self.sink.put(key, object)).await,
            Some(pace) => {
                let takes = pace.left_for(bytes) + slowly;
                let object = Object { pace: Some(pace.clone()), ..object.clone() };
                let answer = self.alive_for(takes, self.sink.put(key, &object)).await;
                self.flow.take_back(pace);
                answer
            }
        };
        ticket.settle(self.sink.describe(), answer)
    }

    /// What is told without asking anybody passes at once.
    async fn head(&self, key: &str) -> Result<Option<Facts>, SinkError> {
        let look = self.sink.head(key);
        if self.can_be_read() { self.pass(Some(Who::about(key)), look).await } else { look.await }
    }

    async fn get(&self, key: &str) -> Result<Option<(Facts, Bytes)>, SinkError> {
        let found = self.pass(Some(Who::about(key)), self.sink.get(key)).await?;
        if let Some((_, bytes)) = &found {
            self.flow.charge(bytes.len() as u64);
        }
        Ok(found)
    }

    /// As [`Passage::head`].
    async fn list(&self, prefix: &str, from: &str, keys_max: usize) -> Result<Vec<String>, SinkError> {
        let list = self.sink.list(prefix, from, keys_max);
        if self.can_be_read() { self.pass(Some(Who::about(prefix)), list).await } else { list.await }
    }

    async fn probe(&self) -> Result<Probed, SinkError> {
        self.pass(None, self.sink.probe()).await
    }

    fn can_be_read(&self) -> bool {
        self.sink.can_be_read()
    }

    fn object_bytes_max(&self) -> Option<usize> {
        self.sink.object_bytes_max()
    }

    /// Whether the sink is away or busy: a leave is no request.
    async fn close(&self) {
        self.sink.close().await;
    }

    fn describe(&self) -> &str {
        self.sink.describe()
    }
}
