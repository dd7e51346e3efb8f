//! Looking into a server, and turning its clock, without leaving a trace in the counted commands.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo,
    RedisConnectionInfo, cmd,
};

use crate::{Commands, RedisServer};

impl RedisServer {
    /// A connection for the test's own commands, which are counted; that it logs in is not.
    pub async fn connection(&self) -> MultiplexedConnection {
        let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = self.password() {
            login = login.set_password(password);
            self.own().add("auth", 1);
        }
        let info = ConnectionAddr::Unix(self.sock().to_owned())
            .into_connection_info()
            .expect("a path is an address")
            .set_redis_settings(login);
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        Client::open(info)
            .expect("the address is well formed")
            .get_multiplexed_async_connection_with_config(&limits)
            .await
            .expect("the server takes a connection")
    }

    /// How often each command ran since the server started, without what the bench itself sent.
    pub async fn commands(&self) -> Commands {
        let mut connection = self.connection().await;
        // Before asking: a command is not counted yet while it runs.
        let own = self.own().clone();
        let info: String = self
            .ask(&mut connection, cmd("INFO").arg("commandstats"))
            .await;
        Commands::parse(&info).since(&own)
    }

    /// All keys of database 0, in order.
    pub async fn scan(&self) -> Vec<Vec<u8>> {
        let mut connection = self.connection().await;
        let mut keys = Vec::new();
        let mut cursor = 0;
        loop {
            let (next, some): (u64, Vec<Vec<u8>>) = self
                .ask(
                    &mut connection,
                    cmd("SCAN").arg(cursor).arg("COUNT").arg(1000),
                )
                .await;
            keys.extend(some);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        // SCAN may show a key twice.
        keys.sort();
        keys.dedup();
        keys
    }

    /// The milliseconds a key has left: -1 means for ever, -2 that there is no such key.
    pub async fn pttl(&self, key: impl AsRef<[u8]>) -> i64 {
        let mut connection = self.connection().await;
        self.ask(&mut connection, cmd("PTTL").arg(key.as_ref()))
            .await
    }

    /// Lets every key of database 0 live shorter by this much, as if the time had passed.
    ///
    /// Keys that would have expired by then are deleted. The server's clock itself stays.
    pub async fn pass_time(&self, passed: Duration) {
        let passed = i64::try_from(passed.as_millis()).expect("a time that fits a TTL");
        let keys = self.scan().await;
        if keys.is_empty() {
            return;
        }
        let mut connection = self.connection().await;
        let mut look = redis::pipe();
        for key in &keys {
            look.cmd("PTTL").arg(key);
        }
        let left: Vec<i64> = look.query_async(&mut connection).await.expect("PTTL works");
        let mut turn = redis::pipe();
        for (key, left) in keys.iter().zip(&left).filter(|&(_, &left)| left >= 0) {
            // With nothing left, zero or less, this deletes the key.
            turn.cmd("PEXPIRE").arg(key).arg(left - passed);
        }
        let turned: Vec<i64> = turn
            .query_async(&mut connection)
            .await
            .expect("PEXPIRE works");
        let mut own = self.own();
        own.add("pttl", left.len() as u64);
        own.add("pexpire", turned.len() as u64);
    }
}

impl RedisServer {
    /// Sends a command that must not be counted.
    async fn ask<T: FromRedisValue>(
        &self,
        connection: &mut MultiplexedConnection,
        command: &Cmd,
    ) -> T {
        let name = match command.args_iter().next() {
            Some(redis::Arg::Simple(name)) => String::from_utf8_lossy(name).to_lowercase(),
            _ => panic!("a command has a name"),
        };
        let reply = command.query_async(connection).await;
        self.own().add(&name, 1);
        reply.unwrap_or_else(|why| panic!("the server refused {name}: {why}"))
    }
}

/// Long enough for a loaded machine, short enough that a frozen server fails its test.
const TIMEOUT: Duration = Duration::from_secs(10);
