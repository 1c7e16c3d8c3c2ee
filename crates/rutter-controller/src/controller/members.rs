//! Members, and who speaks with which key.

use rutter_registry::{Member, MemberName, Page, PublicKey};
use rutter_route::Now;

use super::Controller;
use crate::{Error, Result, Speaker};

impl Controller {
    /// Who speaks with a key, from memory: `None` when it is nobody's, when several users have it,
    /// or when its user has no name. A key that was removed or changed is nobody's as soon as that
    /// was acknowledged; whoever holds a session by it must ask again from time to time.
    pub fn speaker(&self, key: &PublicKey) -> Option<Speaker> {
        self.0.directory.speaker(key)
    }

    /// Members in the order of their names, from memory.
    pub fn members(&self, page: &Page<MemberName>) -> Vec<Member> {
        self.0.directory.members(page)
    }

    /// Removes a member. `by` is who asked, for the audit. What it was.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of the registry.
    pub async fn remove_member(&self, now: Now, name: MemberName, by: String) -> Result<Member> {
        self.to_the_end(|this| async move { this.remove_to_the_end(now, name, by).await }).await
    }

    async fn remove_to_the_end(&self, now: Now, name: MemberName, by: String) -> Result<Member> {
        let _one_at_a_time = self.0.enrolments.lock().await;
        let unknown = || Error::NotFound { what: "member", key: name.to_string() };
        let gone = self.0.registry.remove_member(&name).await?.ok_or_else(unknown)?;
        self.0.directory.remove_member(&name);
        let subject = format!("{} {name}", gone.role);
        self.note(now, &by, "member.remove", &subject, &gone.key.to_string()).await;
        Ok(gone)
    }

    /// Notes that a member was heard of. Each call is a write, so once a session, or some minutes,
    /// is enough.
    ///
    /// # Errors
    /// [`Error::NotFound`], those of the registry.
    pub async fn member_seen(&self, now: Now, name: &MemberName) -> Result<()> {
        self.0.registry.touch_member(now.wall, name).await?;
        self.0.directory.member_seen(name, now.wall);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
