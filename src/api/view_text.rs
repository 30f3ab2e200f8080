//! The newest view as JSON, made once for all consoles that poll it.

use std::sync::Arc;

use bytes::Bytes;
use headroom_rules::view::View;
use tokio::sync::{Mutex, watch};
use tokio::task::spawn_blocking;
use warp::http::StatusCode;

use super::answer::Fault;

/// The text of one view. It keeps that view too, so that no later one can have its address.
#[derive(Default)]
pub(super) struct ViewText(Mutex<Option<(Arc<View>, Bytes)>>);

impl ViewText {
    /// Whoever comes while a text is being made waits for it.
    pub(super) async fn newest(&self, views: &watch::Receiver<Arc<View>>) -> Result<Bytes, Fault> {
        let mut kept = self.0.lock().await;
        let view = Arc::clone(&views.borrow());
        if let Some((of, text)) = &*kept
            && Arc::ptr_eq(of, &view)
        {
            return Ok(text.clone());
        }
        let of = Arc::clone(&view);
        // Some megabytes for a large fleet: too long for a thread that also serves links.
        let made = spawn_blocking(move || serde_json::to_vec(&*of)).await;
        let failed = |why: &dyn std::fmt::Display| {
            tracing::error!(%why, "the view cannot be put into JSON");
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "the view cannot be put into JSON; the centre's log has why")
        };
        let text = Bytes::from(made.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?);
        *kept = Some((view, text.clone()));
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_view_is_put_into_text_once_however_many_ask() {
        let (renew, views) = watch::channel(Arc::new(View::default()));
        let cache = Arc::new(ViewText::default());
        let ask = || {
            let (cache, views) = (Arc::clone(&cache), views.clone());
            tokio::spawn(async move { cache.newest(&views).await.unwrap() })
        };
        let asked: Vec<_> = (0..8).map(|_| ask()).collect();
        let mut texts = Vec::new();
        for text in asked {
            texts.push(text.await.unwrap());
        }
        assert_eq!(serde_json::from_slice::<View>(&texts[0]).unwrap(), View::default());
        // The same memory, not merely the same text.
        assert!(texts.iter().all(|text| text.as_ptr() == texts[0].as_ptr()));
        let next = View { now: headroom_rules::model::Timestamp::new(7), ..View::default() };
        renew.send_replace(Arc::new(next.clone()));
        let text = ask().await.unwrap();
        assert_ne!(text.as_ptr(), texts[0].as_ptr());
        assert_eq!(serde_json::from_slice::<View>(&text).unwrap(), next);
    }
}
