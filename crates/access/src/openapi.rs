//! The operations of this crate, as the OpenAPI document lists them.

use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

#[derive(utoipa::OpenApi)]
#[openapi(paths(
    crate::agents::agent::deactivate_agent,
    crate::agents::agent::get_agent,
    crate::agents::agent::update_agent,
    crate::agents::agent_list::list_agents,
    crate::agents::invitation::invite_agent,
    crate::api_keys::api_key::revoke_api_key,
    crate::api_keys::api_key_list::create_api_key,
    crate::api_keys::api_key_list::list_api_keys,
    crate::audit::audit_log_list::list_audit_logs,
    crate::modules::module_list::list_modules,
    crate::modules::module_switch::get_module,
    crate::modules::module_switch::set_module,
    crate::rbac::permission_list::list_permissions,
    crate::rbac::role::delete_role,
    crate::rbac::role::get_role,
    crate::rbac::role::update_role,
    crate::rbac::roles::create_role,
    crate::rbac::roles::list_roles,
    crate::rbac::templates::delete_permission_template,
    crate::rbac::templates::list_permission_templates,
    crate::rbac::templates::save_permission_template,
    crate::rbac::user::get_user_access,
    crate::rbac::user::set_user_roles,
    crate::tenancy::me::me,
    crate::tenancy::sign_up::create_tenant,
    crate::tenancy::tenant::get_tenant,
    crate::tenancy::tenant::update_tenant,
))]
struct Document;

/// The operations of this crate, with their schemas.
pub fn document() -> OpenApi {
    Document::openapi()
}
