//! Whom one end trusts: the CAs, and what their lists of revoked certificates say.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use rustls::time_provider::TimeProvider;
use webpki::{
    EndEntityCert, Error, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::reason::sentence;
use super::revoked::Revoked;

#[derive(Debug)]
pub(super) struct Trust {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    pub(super) revoked: Option<Revoked>,
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) clock: Arc<dyn TimeProvider>,
    pub(super) check_every: Duration,
}

/// What the lists of revoked certificates are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// At the door: that one in force says that the peer is not revoked. One that is missing or out of date says nothing,
    /// and nothing is not "not revoked".
    NotRevoked,
    /// Of a link that runs: whether one says that it is revoked. Nobody loses the sight of a terminal because a list is
    /// out of date.
    Revoked,
}

/// What is wrong with a certificate.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Unfit {
    /// With it, or with its chain but for what lists say.
    #[error("{}", sentence(.0))]
    Chain(Error),
    /// What a list says of a CA between it and ours.
    #[error("of a CA between it and ours: {}", sentence(.0))]
    Between(Error),
}

impl Unfit {
    /// Whether a link that runs is to be ended for it: all else is no news of the peer.
    fn ends(&self) -> bool {
        let (Self::Chain(error) | Self::Between(error)) = self;
        matches!(error, Error::CertExpired { .. } | Error::CertRevoked)
    }
}

impl Trust {
    fn chain(
        &self,
        end: &EndEntityCert<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
        revocation: Option<RevocationOptions<'_>>,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        end.verify_for_usage(algorithms, &self.anchors, between, now, usage, revocation, None).map(|_| ())
    }

    /// Whether `end`, by way of the CAs `between`, is signed by a CA of ours, in force at `now`, and not revoked.
    pub(super) fn judge(
        &self,
        end: &EndEntityCert<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
        asked: Asked,
    ) -> Result<(), Unfit> {
        let lists = self.revoked.as_ref().map(Revoked::lists);
        let lists: Vec<_> = lists.iter().flat_map(|lists| lists.iter()).collect();
        let (unknown, expired) = match asked {
            Asked::NotRevoked => (UnknownStatusPolicy::Deny, ExpirationPolicy::Enforce),
            Asked::Revoked => (UnknownStatusPolicy::Allow, ExpirationPolicy::Ignore),
        };
        let Ok(options) = RevocationOptionsBuilder::new(&lists) else {
            return self.chain(end, between, now, usage, None).map_err(Unfit::Chain);
        };
        let options = options.with_expiration_policy(expired);
        let of_end = options.with_depth(RevocationCheckDepth::EndEntity).with_status_policy(unknown);
        self.chain(end, between, now, usage, Some(of_end.build())).map_err(Unfit::Chain)?;
        if between.is_empty() {
            return Ok(());
        }
        // Few sites have lists of the CAs above: what there is is heeded, what there is not is not missed.
        let of_all = options.with_depth(RevocationCheckDepth::Chain).with_status_policy(UnknownStatusPolicy::Allow);
        self.chain(end, between, now, usage, Some(of_all.build())).map_err(Unfit::Between)
    }

    /// Whether our own certificate is in force now; who signed it is the peers' affair.
    pub(super) fn is_in_force(&self, own: &CertificateDer<'_>) -> Result<(), String> {
        let parsed = EndEntityCert::try_from(own).map_err(|error| error.to_string())?;
        let now = self.clock.current_time().ok_or("the time is not known")?;
        match self.chain(&parsed, &[], now, KeyUsage::client_auth(), None) {
            Err(Error::CertExpired { .. }) => Err("it has expired".to_owned()),
            Err(Error::CertNotValidYet { .. }) => Err("it is not in force yet".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Whether the peer of a link that runs may go on: its certificate was good when it came in.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    trust: Arc<Trust>,
    usage: KeyUsage,
}

impl Standing {
    pub(super) fn new(trust: &Arc<Trust>, usage: KeyUsage) -> Self {
        Self { trust: Arc::clone(trust), usage }
    }

    /// Looks at what the peer has shown; in how long to look again, or why the link is over.
    pub(crate) fn look(&self, shown: &[CertificateDer<'_>]) -> Result<Duration, String> {
        let Self { trust, usage } = self;
        let Some(now) = trust.clock.current_time() else { return Ok(trust.check_every) };
        let Some((end, between)) = shown.split_first() else { return Err("it shows no certificate".to_owned()) };
        let end = EndEntityCert::try_from(end).map_err(|error| sentence(&error))?;
        let at = |when, asked| trust.judge(&end, between, when, *usage, asked);
        let over = |unfit: &Unfit| if unfit.ends() { Err(unfit.to_string()) } else { Ok(()) };
        if let Err(unfit) = at(now, Asked::NotRevoked) {
            over(&unfit)?;
            if let Some(revoked) = &trust.revoked {
                revoked.tell(&unfit.to_string());
            }
            at(now, Asked::Revoked).or_else(|unfit| over(&unfit))?;
        }
        // The library says which certificate is the first to expire, when it is asked for a time beyond.
        let mut good_until =
            UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs().saturating_add(trust.check_every.as_secs())));
        while let Err(Unfit::Chain(Error::CertExpired { not_after, .. })) = at(good_until, Asked::Revoked)
            && (now..good_until).contains(&not_after)
        {
            good_until = not_after;
        }
        // It is good through the second that it names.
        Ok(Duration::from_secs((good_until.as_secs() - now.as_secs()).saturating_add(1)))
    }
}
