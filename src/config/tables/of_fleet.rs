//! Rows of a fleet.

use std::path::Path;
use std::rc::Rc;

use super::{Row, Table, Tables};
use crate::config::fleet::{Fleet, LinkEntry, Reached, kind_name, whole_kw};
use crate::config::measures;
use crate::config::transport::written;

impl From<&Fleet> for Tables {
    /// The rows come from no line.
    fn from(fleet: &Fleet) -> Self {
        let nowhere: Rc<Path> = Rc::from(Path::new(""));
        let mut tables = Self::default();
        let mut put = |table, cells: Vec<String>| {
            if let Some(rows) = tables.of_mut(table) {
                rows.push(Row { origin: (Rc::clone(&nowhere), None), cells });
            }
        };
        let text = |id: Option<String>| id.unwrap_or_default();
        for (id, node) in &fleet.inventory.nodes {
            let (parent, measured_by) =
                (node.parent.map(|id| id.to_string()), node.measured_by.map(|id| id.to_string()));
            let kind = kind_name(node.kind).to_owned();
            put(Table::Nodes, vec![id.to_string(), kind, node.name.clone(), text(parent), text(measured_by)]);
        }
        for (id, customer) in &fleet.inventory.customers {
            let cells = vec![
                id.to_string(),
                customer.name.clone(),
                customer.supplied_by.to_string(),
                whole_kw(customer.contract).to_string(),
                customer.guaranteed.to_string(),
                whole_kw(customer.safety_floor).to_string(),
                customer.priority.to_string(),
            ];
            put(Table::Customers, cells);
            for agreed in &customer.measures {
                let cells = measures::cells(agreed).into_iter().map(|(_, cell)| cell);
                put(Table::Measures, std::iter::once(id.to_string()).chain(cells).collect());
            }
        }
        for link in &fleet.links {
            let terminal = fleet.inventory.terminals.get(&link.terminal);
            let customer = terminal.and_then(|terminal| terminal.customer).map(|id| id.to_string());
            put(Table::Terminals, terminal_cells(link, text(customer)));
            for (no, round) in terminal.into_iter().flat_map(|terminal| &terminal.rounds) {
                put(Table::Rounds, vec![link.terminal.to_string(), no.to_string(), round.name.clone()]);
            }
        }
        tables
    }
}

fn terminal_cells(link: &LinkEntry, customer: String) -> Vec<String> {
    let octets = |octets: &[u8]| if octets.is_empty() { String::new() } else { written(octets) };
    let [registration, heartbeat, answer] = match &link.reached {
        Reached::Dialled(_) => Default::default(),
        Reached::Calls(calls) => [&calls.packet, &calls.heartbeat, &calls.answer].map(|part| octets(part)),
    };
    let peers = link.tls.iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    vec![
        link.terminal.to_string(),
        customer,
        link.addresses().join(" "),
        registration,
        heartbeat,
        answer,
        link.tls.is_some().to_string(),
        peers,
        link.common_address.to_string(),
        link.profile.clone(),
    ]
}
