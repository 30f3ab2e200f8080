//! The engine against a fleet that answers as terminals do. `fleet` has the fleet and the guard that watches every output
//! for what must never be.

mod area;
mod automatic;
mod cold_load;
mod curves;
mod dry_run;
mod fleet;
mod flow;
mod foresight;
mod giving_up;
mod grid;
mod groups;
mod holding;
mod hostile;
mod interlocks;
mod limits;
mod nested;
mod notices;
mod orders;
mod own;
mod own_acts;
mod parameters;
mod planning;
mod replay;
mod requests;
mod restoring;
mod returning;
mod schedules;
mod set_limits;
mod stepping_back;
mod supply;
mod tags;
mod targets;
mod troubles;
mod verified;
mod worlds;
