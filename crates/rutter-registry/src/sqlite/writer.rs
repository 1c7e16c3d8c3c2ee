//! The one task that writes.
//!
//! Callers hand it jobs over a bounded channel and wait. It takes as many as are waiting, up to
//! [`MAX_BATCH`], runs them in one transaction, commits, and only then answers each.
//!
//! - **A job that is refused fails alone**: each runs in a savepoint, which a refusal rolls back.
//!   The savepoint is taken always, and not only for jobs of several statements, because the cost
//!   is small beside the fsync, and a job that forgot to ask for it would spoil others' writes.
//! - **A failing storage fails the whole batch**, refusals too: a name may have been refused
//!   because of a claim that was then rolled back itself. The connection is given up with it and
//!   made anew for the next batch, since SQLite may have ended the transaction by itself, and a
//!   statement that followed would then commit alone.
//! - **Order**: jobs run in the order in which they came, so each sees what those before it did.
//! - **When the channel is full**, callers wait: the bound on what waits is the number of callers.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::{DataDir, Error, Result};

/// The most jobs of one transaction: bounds how long the first of them waits for the last.
pub(super) const MAX_BATCH: usize = 512;

/// How many jobs may wait in the channel: the next batch, and room to fill it meanwhile.
const MAX_WAITING: usize = 2 * MAX_BATCH;

/// What a job's work gives: it borrows the writer's connection.
type BoxFuture<'c, T> = Pin<Box<dyn Future<Output = T> + Send + 'c>>;

/// The handle of the writer's task.
pub(super) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the task on an open connection; `options` are for making another. The directory
    /// stays locked until the task has ended.
    pub(super) fn start(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        dir: Arc<DataDir>,
    ) -> Self {
        let writer = Self { jobs: Mutex::default(), task: Mutex::default() };
        writer.start_again(connection, options, dir);
        writer
    }

    /// Starts another task, after [`Writer::close`].
    pub(super) fn start_again(
        &self,
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        dir: Arc<DataDir>,
    ) {
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        let store = Store { connection: Some(connection), options, _dir: dir };
        let task = tokio::spawn(run(store, waiting));
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = Some(jobs);
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Runs `work` in the next transaction, and returns what it did when that is committed.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending { work: Some(work), result: None, reply });
        self.sender()?.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }

    /// As [`Writer::write`] for what may be lost: doesn't wait, and drops the work when there is
    /// no room for it.
    pub(super) fn write_if_idle<W>(&self, work: W)
    where
        W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<()>> + Send + 'static,
    {
        let (reply, _) = oneshot::channel();
        let job = Box::new(Pending { work: Some(work), result: None, reply });
        let sent = self.sender().map(|jobs| jobs.try_send(job));
        if !matches!(sent, Ok(Ok(()))) {
            tracing::debug!("a write that may be lost was dropped: the writer is busy or closed");
        }
    }

    /// Lets the jobs that wait be done, then ends the task.
    pub(super) async fn close(&self) -> Result<()> {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        match task {
            Some(task) => task.await.map_err(|e| Error::Unavailable { why: e.to_string() }),
            None => Ok(()),
        }
    }

    /// How many jobs wait in the channel.
    #[cfg(test)]
    pub(super) fn n_waiting(&self) -> usize {
        self.sender().map_or(0, |jobs| jobs.max_capacity() - jobs.capacity())
    }

    fn sender(&self) -> Result<mpsc::Sender<Box<dyn Job>>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.clone().ok_or(Error::Closed)
    }
}

/// A job whose result's type is forgotten.
#[async_trait]
trait Job: Send {
    /// Does the work within the open transaction.
    async fn run(&mut self, connection: &mut SqliteConnection) -> Step;
    /// Answers the caller: with its own result if the batch was committed.
    fn settle(self: Box<Self>, batch: &Result<(), String>);
}

/// What became of a job.
enum Step {
    Done,
    Refused,
    StorageFailed(String),
}

struct Pending<T, W> {
    work: Option<W>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

#[async_trait]
impl<T, W> Job for Pending<T, W>
where
    T: Send + 'static,
    W: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>> + Send + 'static,
{
    async fn run(&mut self, connection: &mut SqliteConnection) -> Step {
        let Some(work) = self.work.take() else {
            return Step::Done;
        };
        let result = work(connection).await;
        let step = match &result {
            Ok(_) => Step::Done,
            Err(Error::Unavailable { why }) => Step::StorageFailed(why.clone()),
            Err(_) => Step::Refused,
        };
        self.result = Some(result);
        step
    }

    fn settle(self: Box<Self>, batch: &Result<(), String>) {
        let result = match (batch, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(Error::Closed),
            (Err(why), _) => Err(Error::Unavailable { why: why.clone() }),
        };
        if self.reply.send(result).is_err() {
            tracing::trace!("nobody waits for this write any more");
        }
    }
}

struct Store {
    connection: Option<SqliteConnection>,
    options: SqliteConnectOptions,
    _dir: Arc<DataDir>,
}

async fn run(mut store: Store, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while waiting.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let outcome = store.commit(&mut batch).await.map_err(|e| e.to_string());
        if let Err(why) = &outcome {
            tracing::error!(n_writes = batch.len(), %why, "writes were refused");
            store.give_up().await;
        }
        for job in batch.drain(..) {
            job.settle(&outcome);
        }
    }
    store.finish().await;
}

impl Store {
    async fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StorageFailed> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let connection = self.connection.insert(connection);
        sql(connection, "BEGIN IMMEDIATE").await?;
        for job in batch {
            sql(connection, "SAVEPOINT job").await?;
            match job.run(connection).await {
                Step::Done => {}
                Step::Refused => sql(connection, "ROLLBACK TO job").await?,
                Step::StorageFailed(why) => return Err(StorageFailed(why)),
            }
            sql(connection, "RELEASE job").await?;
        }
        sql(connection, "COMMIT").await?;
        Ok(())
    }

    /// Drops the connection, which rolls back what it had begun.
    async fn give_up(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if let Err(error) = connection.close_hard().await {
            tracing::warn!(%error, "the connection that failed could not be closed");
        }
    }

    /// Moves the log into the database, so that the file alone is whole, and closes it.
    async fn finish(mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if let Err(error) = sql(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await {
            tracing::warn!(%error, "the log stays beside the database until the next start");
        }
        if let Err(error) = connection.close().await {
            tracing::warn!(%error, "the database could not be closed");
        }
    }
}

/// Why a whole batch failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct StorageFailed(String);

impl From<sqlx::Error> for StorageFailed {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

async fn sql(connection: &mut SqliteConnection, text: &'static str) -> sqlx::Result<()> {
    sqlx::query(text).execute(connection).await.map(drop)
}
