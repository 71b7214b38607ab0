//! Addresses of the plant, and faults sent to them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::demo::DemoError;
use crate::fault::{Fault, FaultKind};
use crate::plant::{MAX_INSTANCES, Role};

/// Who listens where.
pub(super) struct Addresses {
    instances: Vec<(Role, Vec<SocketAddr>)>,
    /// OTLP over HTTP, known before the server starts, because the plant is told in its configuration.
    pub(super) telemetry: SocketAddr,
    client: reqwest::Client,
}

impl Addresses {
    /// Asks the system for free ports. They are given back at once, so that another program could take one: then the
    /// demo says so and is started again.
    pub(super) fn reserve() -> std::io::Result<Self> {
        let mut held = Vec::new();
        let mut free = || -> std::io::Result<SocketAddr> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            held.push(listener);
            Ok(address)
        };
        let mut instances = Vec::new();
        for role in Role::ALL {
            instances.push((role, (0..MAX_INSTANCES).map(|_| free()).collect::<Result<_, _>>()?));
        }
        Ok(Self { instances, telemetry: free()?, client: reqwest::Client::new() })
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
