//! The wish to stop, shared by everything that waits.

use tokio::sync::watch;

/// Asks all holders of its clones to come to an end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<bool>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Stop {
    /// Makes the wish. Making it twice changes nothing.
    pub fn request(&self) {
        self.0.send_replace(true);
    }

    /// Whether the wish was made.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the wish was made.
    pub async fn requested(&self) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so waiting can only end with the wish.
        let _ = receiver.wait_for(|requested| *requested).await;
    }
}
