//! Who may connect by address, and how many.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::refusals::Refusal;

/// Whom a listening socket lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Networks that may connect; every one where there is none.
    pub allowed: Vec<IpNet>,
    /// Links of one address at once.
    pub per_address_max: usize,
    /// Links at once.
    pub links_max: usize,
}

impl Default for Access {
    /// Every address, 16 links of each, 1024 in all.
    fn default() -> Self {
        Self { allowed: Vec::new(), per_address_max: 16, links_max: 1_024 }
    }
}

/// Counts who is inside.
#[derive(Clone, Debug)]
pub struct Guard {
    access: Arc<Access>,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    all: usize,
    of: BTreeMap<IpAddr, usize>,
}

/// A place inside; dropping it gives it back.
#[derive(Debug)]
pub struct Pass {
    inside: Arc<Mutex<Inside>>,
    peer: IpAddr,
}

impl Guard {
    /// Nobody is inside.
    pub fn new(access: Access) -> Self {
        Self { access: Arc::new(access), inside: Arc::default() }
    }

    /// Lets a peer in.
    ///
    /// # Errors
    /// Why not, for people.
    pub fn enter(&self, peer: IpAddr) -> Result<Pass, (Refusal, String)> {
        // An IPv4 peer at a socket of both families.
        let peer = peer.to_canonical();
        let Access { allowed, per_address_max, links_max } = &*self.access;
        if !allowed.is_empty() && !allowed.iter().any(|net| net.contains(&peer)) {
            return Err((Refusal::Address, "its address is not among those allowed".to_owned()));
        }
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.all >= *links_max {
            return Err((Refusal::Links, format!("there are {links_max} links, as many as are allowed")));
        }
        let of_peer = inside.of.entry(peer).or_default();
        if *of_peer >= *per_address_max {
            let why = format!("it has {per_address_max} links, as many as one address is allowed");
            return Err((Refusal::LinksOfAddress, why));
        }
        *of_peer += 1;
        inside.all += 1;
        Ok(Pass { inside: Arc::clone(&self.inside), peer })
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.all = inside.all.saturating_sub(1);
        if let Some(of_peer) = inside.of.get_mut(&self.peer) {
            *of_peer = of_peer.saturating_sub(1);
            if *of_peer == 0 {
                inside.of.remove(&self.peer);
            }
        }
    }
}
