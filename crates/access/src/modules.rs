//! Parts of the product that a tenant can switch on and off.

mod module_details;
pub(crate) mod module_list;
pub(crate) mod module_switch;

pub use module_list::router as modules;
pub use module_switch::router as module;
