//! Questions about a run, answered from the store.
