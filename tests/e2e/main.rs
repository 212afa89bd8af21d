//! The real binary with the real Helm and kubectl against a real control plane.
//! `make test` runs them in the sandbox; elsewhere each says that it is skipped.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its ground gives way")]
#![expect(clippy::disallowed_methods, reason = "tests start programs, read their environment and wait")]
#![expect(unreachable_pub, reason = "no other crate uses this one")]

#[path = "../archives/mod.rs"]
mod archives;

mod answering;
mod evidence;
mod memory;
mod own_charts;
mod pod_lives;
mod said;
mod sandbox;
mod schema;

mod grow_and_shrink;
mod releases;
mod steps;
mod unchanged;

mod changed_by_hand;
mod counts_of_others;
mod lists;
mod side_effects;

mod autoscale;
mod autoscaled;
mod kept_revisions;
mod managed;
mod release_state;

mod chart_places;
mod chart_versions;
mod charts;
mod connection;
mod connection_flags;
mod forbidden;
mod refusals;
mod rights;
mod role;
mod secrets;
mod silent;
mod unprovable;

mod concurrency;
mod gate;
mod hand_over;
mod reversal;
mod stuck;
mod walk;

mod interrupted;
mod timed_out;

mod called_by_helm;
mod installed;

mod completion;
mod guides;
mod misbehaving_tools;
mod outcomes;
mod output;
mod recording;
mod terminal;

mod status;

mod many_pods;
