//! The one task that owns the catalogue.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rutter_book::{BookClosed, BookHandle};
use rutter_route::{Incarnation, Service, Session, SourceInfo, SourceState, TableName};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::differences::differences;
use super::publish::{Links, publish};
use super::rows::{Dirty, Provider, Rows, Told};
use super::tell::{Plan, Stopped};
use super::{CatalogueError, Command, ProviderInfo, Said, Watching};
use crate::monitor::{Monitors, Seen, Turned};
use crate::registry::{
    Entry, EntryKey, Happened, PoolKind, ProviderState, ProviderStatus, Shown, What,
};
use crate::{ProviderId, ProviderKind, Reading, Route};

/// Verdicts that are told at once.
const VERDICTS: usize = 256;

/// How long a lost provider's routes stay: until it speaks again, as far as a table can count.
const STALE_FOR: Duration = Duration::from_secs(10 * 365 * 86_400);

/// The registry's own place, behind all of the configuration's; what is built in comes first all
/// the same.
const OWN_ORDER: u32 = u32::MAX;

struct Task {
    book: BookHandle,
    table: TableName,
    monitors: Option<Monitors>,
    shown: Arc<Shown>,
    own: ProviderId,
    rows: Rows,
    links: Links,
    stopped: Stopped,
}

pub(super) async fn start(
    book: BookHandle,
    table: TableName,
    watching: Option<Watching>,
    shown: Arc<Shown>,
    commands: mpsc::Receiver<Command>,
    stop: CancellationToken,
) -> Result<(), CatalogueError> {
    let name = table.clone();
    if !book.read(move |book, _| book.table::<Service>(&name).is_some()).await? {
        return Err(CatalogueError::NoTable(table));
    }
    // A literal, which is a name.
    let Ok(own) = ProviderId::new(ProviderKind::BuiltIn, "registry") else {
        return Err(CatalogueError::Ended);
    };
    let (monitors, turned) = match watching {
        Some(Watching { monitors, turned }) => (Some(monitors), turned),
        None => (None, mpsc::channel(1).1),
    };
    let (rows, links, stopped) = (Rows::default(), Links::default(), Stopped::default());
    let mut task = Task { book, table, monitors, shown, own: own.clone(), rows, links, stopped };
    task.begin(ProviderInfo { id: own, order: OWN_ORDER }).await?;
    tokio::spawn(async move {
        if let Err(BookClosed) = task.run(commands, turned, stop).await {
            tracing::debug!("the catalogue ends: the book is closed");
        }
    });
    Ok(())
}

impl Task {
    async fn run(
        &mut self,
        mut commands: mpsc::Receiver<Command>,
        mut turned: mpsc::Receiver<Turned>,
        stop: CancellationToken,
    ) -> Result<(), BookClosed> {
        let mut verdicts = Vec::new();
        let mut is_watching = true;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                command = commands.recv() => match command {
                    Some(command) => self.command(command).await?,
                    None => return Ok(()),
                },
                n = turned.recv_many(&mut verdicts, VERDICTS), if is_watching => {
                    is_watching = n > 0;
                    self.verdicts(&mut verdicts).await?;
                }
            }
        }
    }

    /// Whoever asked may be gone; what was asked is done all the same.
    async fn command(&mut self, command: Command) -> Result<(), BookClosed> {
        match command {
            Command::Begin { provider, answer } => {
                drop(answer.send(self.begin(provider).await));
            }
            Command::Says { by, reading, answer } => {
                let said = match self.rows.provider(&by) {
                    Some(_) => Ok(self.says(&by, *reading).await?),
                    None => Err(CatalogueError::NotBegun(by)),
                };
                drop(answer.send(said));
            }
            Command::Lost { provider, why, answer } => {
                let said = match self.rows.provider(&provider) {
                    Some(_) => Ok(self.lost(&provider, why).await?),
                    None => Err(CatalogueError::NotBegun(provider)),
                };
                drop(answer.send(said));
            }
            Command::Gone { provider, answer } => {
                let said = match self.rows.provider(&provider) {
                    // The registry's own session ends with the catalogue.
                    Some(_) if provider == self.own => self.clear(None).await.map(|_| Ok(()))?,
                    Some(_) => Ok(self.gone(&provider).await?),
                    None => Err(CatalogueError::NotBegun(provider)),
                };
                drop(answer.send(said));
            }
            Command::Add { route, answer } => {
                if let Some(entry) = self.add(*route).await? {
                    drop(answer.send(entry));
                }
            }
            Command::Del { name, answer } => drop(answer.send(self.del(&name).await?)),
            Command::Clear { pool, answer } => drop(answer.send(self.clear(pool).await?)),
        }
        self.show_providers();
        Ok(())
    }

    async fn begin(&mut self, info: ProviderInfo) -> Result<(), CatalogueError> {
        let order = info.order;
        if let Some(by) = self.rows.at(order).filter(|by| ***by != info.id) {
            return Err(CatalogueError::PlaceTaken { order, by: (**by).clone() });
        }
        match self.rows.provider(&info.id).map(|provider| provider.order) {
            Some(before) if before == order => {}
            Some(_) => {
                let dirty = self.rows.move_to(&info.id, order);
                self.carry_out(dirty).await?;
            }
            None => {
                let session = self.session(&info.id).await?;
                self.rows.add(info, session);
            }
        }
        Ok(())
    }

    /// A new session of a provider's source, newer than all before.
    async fn session(&self, of: &ProviderId) -> Result<Session, BookClosed> {
        let (table, source) = (self.table.clone(), of.source());
        self.book
            .apply(move |book, now| {
                let mut session = Session { source, incarnation: Incarnation(now.wall.0) };
                let Some(table) = book.table_mut::<Service>(&table) else { return session };
                if let Some(before) = table.session_of(&session.source) {
                    let next = Incarnation(before.incarnation.0.saturating_add(1));
                    session.incarnation = session.incarnation.max(next);
                }
                if let Err(why) = table.source(now, &session, SourceState::Up(info())) {
                    // What it says is refused then, and shown as not taken.
                    tracing::warn!(source = %session.source, %why, "the table takes no provider");
                }
                session
            })
            .await
    }

    async fn says(&mut self, by: &ProviderId, reading: Reading) -> Result<Said, BookClosed> {
        let remarks = reading.remarks.clone();
        let Some(provider) = self.rows.provider(by) else { return Ok(Said::default()) };
        let differences = differences(provider, reading);
        let n_changed = differences.len();
        let mut dirty = self.rows.take(differences);
        if let Some(provider) = self.rows.provider_mut(by) {
            dirty.extend(provider.try_again());
            let is_lost = matches!(provider.state, ProviderState::Lost { .. });
            provider.state = ProviderState::Ready;
            if *provider.remarks != *remarks {
                provider.remarks = remarks.into();
            }
            if is_lost {
                let session = provider.session.clone();
                self.source(session, SourceState::Up(info())).await?;
            }
        }
        self.carry_out(dirty).await?;
        let Some(provider) = self.rows.provider_mut(by) else { return Ok(Said::default()) };
        provider.said.n_changed = n_changed;
        Ok(provider.said)
    }

    async fn lost(&mut self, id: &ProviderId, why: String) -> Result<(), BookClosed> {
        let Some(provider) = self.rows.provider_mut(id) else { return Ok(()) };
        tracing::warn!(provider = %id, why, "a provider can't be asked; what it said stands");
        let was_lost = matches!(provider.state, ProviderState::Lost { .. });
        provider.state = ProviderState::Lost { why };
        if was_lost {
            return Ok(());
        }
        let session = provider.session.clone();
        self.source(session, SourceState::KeepStale { for_: STALE_FOR }).await
    }

    async fn gone(&mut self, id: &ProviderId) -> Result<(), BookClosed> {
        let Some(provider) = self.rows.provider(id) else { return Ok(()) };
        let session = provider.session.clone();
        let differences = provider.rows.keys().map(|key| (key.clone(), None)).collect();
        if matches!(provider.state, ProviderState::Lost { .. }) {
            // Who is away can't speak, not even to withdraw.
            self.source(session.clone(), SourceState::Up(info())).await?;
        }
        let dirty = self.rows.take(differences);
        self.carry_out(dirty).await?;
        self.source(session, SourceState::Gone).await?;
        self.rows.remove(id);
        Ok(())
    }

    async fn add(&mut self, route: Route) -> Result<Option<Arc<Entry>>, BookClosed> {
        let Some(own) = self.rows.provider(&self.own) else { return Ok(None) };
        let key = own.key(&route.name, route.container.as_ref());
        let differs = match self.rows.row(&key).and_then(|row| row.what.as_ref()) {
            Some(What::Route(before)) => **before != route,
            _ => true,
        };
        if differs {
            let what = Some(What::Route(Arc::new(route)));
            let dirty = self.rows.take(vec![(key.clone(), what)]);
            self.carry_out(dirty).await?;
            self.own_changed(1);
        }
        Ok(self.rows.row(&key).and_then(|row| row.entry.clone()))
    }

    async fn del(&mut self, name: &str) -> Result<bool, BookClosed> {
        Ok(self.drop_own(|key, _| key.name == name).await? > 0)
    }

    async fn clear(&mut self, pool: Option<PoolKind>) -> Result<usize, BookClosed> {
        self.drop_own(|_, entry| pool.is_none_or(|pool| entry.pool == pool)).await
    }

    async fn drop_own(
        &mut self,
        which: impl Fn(&EntryKey, &Entry) -> bool,
    ) -> Result<usize, BookClosed> {
        let rows = self.rows.provider(&self.own).map(|own| &own.rows);
        let of = rows
            .into_iter()
            .flatten()
            .filter(|(key, row)| row.entry.as_ref().is_some_and(|entry| which(key, entry)));
        let differences: Vec<_> = of.map(|(key, _)| (key.clone(), None)).collect();
        let n = differences.len();
        let dirty = self.rows.take(differences);
        self.carry_out(dirty).await?;
        self.own_changed(n);
        Ok(n)
    }

    fn own_changed(&mut self, n: usize) {
        if let Some(own) = self.rows.provider_mut(&self.own) {
            own.state = ProviderState::Ready;
            own.said.n_changed = n;
        }
    }

    /// Tells the table of rows, and shows what became of them.
    async fn carry_out(&mut self, mut dirty: Dirty) -> Result<(), BookClosed> {
        if dirty.is_empty() {
            return Ok(());
        }
        let plan = Plan::of(&mut self.rows, &dirty, self.monitors.as_ref(), &mut self.stopped);
        let not_taken = plan.carry_out(&self.book, &self.table).await?;
        for (key, service, why) in not_taken {
            tracing::warn!(route = %key, %service, %why, "the table did not take a route");
            if let Some(row) = self.rows.row_mut(&key) {
                row.told.retain(|told| *told != service);
                row.not_taken = Some(why);
            }
            dirty.insert(key);
        }
        publish(&mut self.rows, &dirty, &mut self.links, &self.shown);
        Ok(())
    }

    async fn source(&self, session: Session, to: SourceState) -> Result<(), BookClosed> {
        let table = self.table.clone();
        self.book
            .apply(move |book, now| {
                let Some(table) = book.table_mut::<Service>(&table) else { return };
                if let Err(why) = table.source(now, &session, to) {
                    tracing::warn!(source = %session.source, %why, "the table takes no word of it");
                }
            })
            .await
    }

    async fn verdicts(&mut self, verdicts: &mut Vec<Turned>) -> Result<(), BookClosed> {
        // What is true now is in the route's cell: a verdict that waited may be of a route that is
        // asked otherwise since.
        let keys: BTreeSet<EntryKey> = verdicts.drain(..).map(|turned| turned.key).collect();
        let mut plan = Plan::default();
        let mut happened = Vec::new();
        for key in keys {
            let Some(row) = self.rows.row(&key).filter(|row| row.is_watched) else { continue };
            let (seen, entry) = (row.health.seen(), row.entry.clone());
            let before = plan.turned(&mut self.rows, &key, &seen);
            let Some((before, entry)) = before.zip(entry) else { continue };
            match (before, Told::of(&seen)) {
                (Told::Unhealthy, Told::Healthy) => {
                    happened.push(Happened::Up(entry, Seen::clone(&seen)));
                }
                (Told::Unknown | Told::Healthy, Told::Unhealthy) => {
                    happened.push(Happened::Down(entry, Seen::clone(&seen)));
                }
                _ => {}
            }
        }
        plan.carry_out(&self.book, &self.table).await?;
        self.shown.publish(happened);
        Ok(())
    }

    fn show_providers(&self) {
        let shown = self.rows.providers().map(|provider| ProviderStatus {
            id: provider.id.clone(),
            order: provider.order,
            state: provider.state.clone(),
            said: provider.said,
            remarks: provider.remarks.clone(),
        });
        self.shown.set_providers(shown.collect());
    }
}

impl Provider {
    /// Rows that the table had no room for, to be tried again.
    fn try_again(&mut self) -> Vec<EntryKey> {
        let mut again = Vec::new();
        if self.said.n_not_taken == 0 {
            return again;
        }
        for (key, row) in &mut self.rows {
            if row.not_taken.is_some() {
                row.is_new = true;
                again.push(key.clone());
            }
        }
        again
    }
}

fn info() -> SourceInfo {
    SourceInfo::default()
}
