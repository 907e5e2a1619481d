//! How many sessions there may be, and how many requests that stand alone, each counted by itself. Whoever comes has a place before
//! anything is started for it, and whatever was started for it alone keeps the place until it has ended.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Bridge;
use crate::message::{Fault, code};
use crate::session::Session;

/// A place, which is free again when all have gone who have it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    _taken: Arc<OwnedSemaphorePermit>,
}

/// All places.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    sessions: Arc<Semaphore>,
    lone_calls: Arc<Semaphore>,
}

impl Room {
    /// So many places for sessions, and as many for requests that stand alone.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        let places = || Arc::new(Semaphore::new(most));
        Self { most, sessions: places(), lone_calls: places() }
    }

    /// A place for a session.
    pub(crate) fn for_session(&self) -> Result<Place, Fault> {
        place(&self.sessions, "all sessions are taken")
    }

    /// A place for a request that stands alone.
    pub(crate) fn for_lone_call(&self) -> Result<Place, Fault> {
        place(&self.lone_calls, "too many requests without a session are under way")
    }

    /// Requests that stand alone and have a place now.
    pub(crate) fn lone_calls(&self) -> usize {
        self.most.saturating_sub(self.lone_calls.available_permits())
    }
}

fn place(places: &Arc<Semaphore>, full: &str) -> Result<Place, Fault> {
    match Arc::clone(places).try_acquire_owned() {
        Ok(taken) => Ok(Place { _taken: Arc::new(taken) }),
        Err(_) => Err(Fault::new(code::UNAVAILABLE, format!("{full}; try again later")).with(serde_json::json!({ "retry": true }))),
    }
}

/// A session that ends with this, unless it is left to others.
pub(crate) struct OpenSession {
    bridge: Arc<Bridge>,
    pub(crate) session: Arc<Session>,
    is_left: bool,
}

impl OpenSession {
    pub(crate) fn new(bridge: &Arc<Bridge>, session: Arc<Session>) -> Self {
        Self { bridge: Arc::clone(bridge), session, is_left: false }
    }

    /// Others end it.
    pub(crate) fn leave(&mut self) {
        self.is_left = true;
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        if !self.is_left {
            let (bridge, session) = (Arc::clone(&self.bridge), Arc::clone(&self.session));
            tokio::spawn(async move { bridge.end_session(&session.id).await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn both_kinds_have_their_own_places_and_a_place_is_free_when_nobody_has_it() {
        let room = Room::new(1);
        let (session, call) = (room.for_session().expect("a place"), room.for_lone_call().expect("a place"));
        assert!(room.for_session().is_err() && room.for_lone_call().is_err());
        let of_its_process = call.clone();
        drop((session, call));
        assert!(room.for_session().is_ok());
        assert_eq!((room.for_lone_call().is_err(), room.lone_calls()), (true, 1));
        drop(of_its_process);
        assert_eq!(room.lone_calls(), 0);
        assert!(room.for_lone_call().is_ok());
        assert!(Room::new(usize::MAX).for_session().is_ok());
    }
}
