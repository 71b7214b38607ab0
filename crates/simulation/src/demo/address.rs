//! Addresses of the plant, and faults sent to them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::demo::DemoError;
use crate::fault::{Fault, FaultKind};
use crate::plant::{MAX_INSTANCES, Role};

/// Tries to find ports in a row.
const ATTEMPTS: usize = 100;

/// Who listens where.
pub(super) struct Addresses {
    instances: Vec<(Role, Vec<SocketAddr>)>,
    /// OTLP over HTTP, known before the server starts, because the plant is told in its configuration.
    pub(super) telemetry: SocketAddr,
    client: reqwest::Client,
}

impl Addresses {
    /// Asks the system for free ports, for each role as many in a row as it may have instances. They are given back at
    /// once, so that another program could take one: then the demo says so and is started again.
    pub(super) fn reserve() -> std::io::Result<Self> {
        let mut held = Vec::new();
        let mut instances = Vec::new();
        for role in Role::ALL {
            let row = free_row(MAX_INSTANCES)?;
            instances.push((role, row.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?));
            held.extend(row);
        }
        let telemetry = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { instances, telemetry, client: reqwest::Client::new() })
    }

    /// Addresses of all instances of a role.
    pub(super) fn of(&self, role: Role) -> &[SocketAddr] {
        self.instances.iter().find(|(of, _)| *of == role).map_or(&[], |(_, addresses)| addresses)
    }

    /// Puts a fault into the first instance of a role that listens.
    pub(super) async fn begin_fault(&self, role: Role, fault: Fault) -> Result<(), DemoError> {
        let mut failed = None;
        for address in self.of(role) {
            match self.send(*address, fault).await {
                Ok(()) => return Ok(()),
                Err(error) => failed = Some(error),
            }
        }
        Err(DemoError::Inject { role, source: failed })
    }

    /// Ends a fault in all instances of a role, so that the next begins in a plant that is well. Instances that do not
    /// listen have none.
    pub(super) async fn end_fault(&self, role: Role, kind: FaultKind) {
        let nothing = Fault {
            kind,
            intensity: 0.0,
            ramp: std::time::Duration::ZERO,
            length: std::time::Duration::ZERO,
        };
        for address in self.of(role) {
            let _ = self.send(*address, nothing).await;
        }
    }

    async fn send(&self, address: SocketAddr, fault: Fault) -> Result<(), reqwest::Error> {
        let request = self.client.post(format!("http://{address}/fault")).body(fault.to_json().to_string());
        request.timeout(std::time::Duration::from_secs(5)).send().await?.error_for_status()?;
        Ok(())
    }
}

/// Listeners on that many ports in a row.
fn free_row(length: u16) -> std::io::Result<Vec<TcpListener>> {
    let mut failed = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let Some(next) = first.local_addr()?.port().checked_add(1) else { continue };
        let rest = (0..length.saturating_sub(1))
            .map(|offset| TcpListener::bind((Ipv4Addr::LOCALHOST, next.saturating_add(offset))));
        match std::iter::once(Ok(first)).chain(rest).collect() {
            Ok(row) => return Ok(row),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_its_own_row_of_ports() {
        let addresses = Addresses::reserve().unwrap();
        let mut all = vec![addresses.telemetry.port()];
        for role in Role::ALL {
            let ports: Vec<u16> = addresses.of(role).iter().map(SocketAddr::port).collect();
            assert!(ports.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ports:?}");
            all.extend(ports);
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!((all.len(), count), (13, 13));
    }
}
