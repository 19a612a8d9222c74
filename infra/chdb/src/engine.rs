//! The engine and its connections.

use crate::{
    Analysis, ChdbError,
    ffi::{RawConnection, RawInsert, RawQuery, Symbols, skip_destructors},
};
use bytes::Bytes;
use std::{
    ffi::CString,
    fs::{File, TryLockError},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Whether this process has an engine. It never gets a second one, not even after [`Engine::close`]: the library
/// does not survive it.
static LOADED: Mutex<bool> = Mutex::new(false);

/// After so many connections the library has made all that it makes once.
const WARM: usize = 64;

/// The engine of this process. Clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    symbols: Arc<Symbols>,
    arguments: Vec<CString>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Keeps the engine running while no other connection is open; `None` once it is closed.
    keeper: Option<RawConnection>,
    /// How many other connections are open.
    open: usize,
    /// How many were closed, as long as that matters.
    used: usize,
    /// Held as long as the engine runs.
    _lock: File,
}

impl Engine {
    /// Loads the library and starts the engine on the folder `data`, with the engine's own configuration file if
    /// there has to be one. A process can do this once; a folder belongs to one process at a time.
    pub fn load(library: &Path, data: &Path, config: Option<&Path>) -> Result<Self, ChdbError> {
        let mut loaded = lock(&LOADED);
        if *loaded {
            return Err(ChdbError::Loaded);
        }
        let symbols = Arc::new(Symbols::load(library)?);
        let lock = claim(data)?;
        let mut arguments = vec![argument("swarmlog", Path::new(""))?, argument("--path=", data)?];
        if let Some(config) = config {
            arguments.push(argument("--config-file=", config)?);
        }
        symbols.leave_signals_alone();
        // From here on the library has global state, whether it starts or not.
        *loaded = true;
        let keeper = symbols.open(&arguments).ok_or_else(|| ChdbError::Start(data.to_owned()))?;
        skip_destructors();
        let state = State { keeper: Some(keeper), open: 0, used: 0, _lock: lock };
        Ok(Self(Arc::new(Shared { symbols, arguments, state: Mutex::new(state), changed: Condvar::new() })))
    }

    /// Opens a connection: a session of its own. It takes a fraction of a millisecond.
    pub fn connect(&self) -> Result<Connection, ChdbError> {
        let mut state = lock(&self.0.state);
        if state.keeper.is_none() {
            return Err(ChdbError::Closed);
        }
        let raw = self.0.symbols.open(&self.0.arguments).ok_or(ChdbError::Closed)?;
        state.open += 1;
        Ok(Connection { raw: Some(raw), shared: self.0.clone() })
    }

    /// Ends the engine: gives no more connections, waits up to `wait` for those in use, then stops all its threads.
    /// To be called before the process ends, so that statements in progress end as well.
    pub fn close(&self, wait: Duration) -> Result<(), ChdbError> {
        let mut state = lock(&self.0.state);
        let Some(keeper) = state.keeper.take() else { return Ok(()) };
        let waited = self.0.changed.wait_timeout_while(state, wait, |state| state.open > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.open > 0 {
            state.keeper = Some(keeper);
            return Err(ChdbError::Busy(state.open));
        }
        drop(keeper);
        // Threads that do not stop are left to the end of the process.
        self.0.symbols.stop();
        Ok(())
    }
}

/// A session: settings, roles and the current database are its own. One statement at a time.
pub struct Connection {
    raw: Option<RawConnection>,
    shared: Arc<Shared>,
}

impl Connection {
    /// Runs a statement and gives its whole output in `format`.
    pub fn query(&self, sql: &str, format: &str) -> Result<Bytes, ChdbError> {
        self.query_with(sql, format, &[])
    }

    /// Runs a statement with values for its `{name:Type}` places, in the escaping of the format `TabSeparated`.
    pub fn query_with(&self, sql: &str, format: &str, parameters: &[(&str, &str)]) -> Result<Bytes, ChdbError> {
        self.raw.as_ref().ok_or(ChdbError::Closed)?.query(sql, format, parameters)
    }

    /// Runs a statement whose output comes in pieces; each piece is a document of `format` in itself.
    pub fn stream(&mut self, sql: &str, format: &str, parameters: &[(&str, &str)]) -> Result<QueryStream<'_>, ChdbError> {
        self.raw.as_mut().ok_or(ChdbError::Closed)?.stream(sql, format, parameters).map(QueryStream)
    }

    /// Starts an insert: `statement` is `INSERT INTO t (a, b) SETTINGS ...`, without data and without `FORMAT`.
    pub fn insert(&mut self, statement: &str, format: &str) -> Result<InsertStream<'_>, ChdbError> {
        self.raw.as_mut().ok_or(ChdbError::Closed)?.insert(statement, format).map(InsertStream)
    }

    /// Asks the engine's parser what a text would do, without doing it.
    pub fn classify(&self, sql: &str) -> Result<Analysis, ChdbError> {
        self.raw.as_ref().ok_or(ChdbError::Closed)?.classify(sql)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        drop(self.raw.take());
        let mut state = lock(&self.shared.state);
        state.open -= 1;
        if state.used < WARM {
            // What the library makes at first use, it registers for destruction at first use.
            state.used += 1;
            skip_destructors();
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

/// Output that comes in pieces. Dropping it cancels the statement.
pub struct QueryStream<'a>(RawQuery<'a>);

impl QueryStream<'_> {
    /// The next piece, `None` at the end.
    pub fn next_piece(&mut self) -> Result<Option<Bytes>, ChdbError> {
        self.0.next()
    }
}

/// An insert that waits for its rows. Dropping it unfinished cancels it; blocks that the engine has written by then stay.
pub struct InsertStream<'a>(RawInsert<'a>);

impl InsertStream<'_> {
    /// Sends a piece of the rows, cut anywhere. It waits while the engine is behind.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), ChdbError> {
        self.0.append(piece)
    }

    /// Commits and says how many rows were written; it counts those that deduplication dropped.
    pub fn finish(self) -> Result<u64, ChdbError> {
        self.0.finish()
    }
}

/// Makes the folder and takes its lock.
fn claim(data: &Path) -> Result<File, ChdbError> {
    let folder = |source| ChdbError::Folder { path: data.to_owned(), source };
    std::fs::create_dir_all(data).map_err(folder)?;
    let lock = File::create(data.join("swarmlog.lock")).map_err(folder)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(ChdbError::Locked(data.to_owned())),
        Err(TryLockError::Error(error)) => Err(folder(error)),
    }
}

fn argument(prefix: &str, path: &Path) -> Result<CString, ChdbError> {
    let mut bytes = prefix.as_bytes().to_vec();
    bytes.extend_from_slice(path.as_os_str().as_encoded_bytes());
    CString::new(bytes).map_err(|error| ChdbError::Folder { path: path.to_owned(), source: error.into() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
