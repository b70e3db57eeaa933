//! The permissions as types: a handler names the ones it needs in its arguments.

/// One permission. Its key is a `permission_key` of table `permissions`.
pub trait Permission: Send {
    /// The `permission_key`.
    const KEY: &'static str;
}

macro_rules! permissions {
    ($($name:ident = $key:literal;)+) => {
        $(
            #[doc = concat!("`", $key, "`")]
            pub struct $name;

            impl Permission for $name {
                const KEY: &'static str = $key;
            }
        )+
    };
}

permissions! {
    AgentsAssign = "agents.assign";
    AgentsCreate = "agents.create";
    AgentsDelete = "agents.delete";
    AgentsUpdate = "agents.update";
    AgentsView = "agents.view";
    ApiKeysCreate = "api_keys.create";
    ApiKeysRevoke = "api_keys.revoke";
    ApiKeysView = "api_keys.view";
    AuditExport = "audit.export";
    AuditView = "audit.view";
    BroadcastsCancel = "broadcasts.cancel";
    BroadcastsCreate = "broadcasts.create";
    BroadcastsDelete = "broadcasts.delete";
    BroadcastsExport = "broadcasts.export";
    BroadcastsPause = "broadcasts.pause";
    BroadcastsRetry = "broadcasts.retry";
    BroadcastsSend = "broadcasts.send";
    BroadcastsUpdate = "broadcasts.update";
    BroadcastsView = "broadcasts.view";
    ContactsBlock = "contacts.block";
    ContactsCreate = "contacts.create";
    ContactsDelete = "contacts.delete";
    ContactsErase = "contacts.erase";
    ContactsExport = "contacts.export";
    ContactsImport = "contacts.import";
    ContactsManageFields = "contacts.manage_fields";
    ContactsMerge = "contacts.merge";
    ContactsUpdate = "contacts.update";
    ContactsView = "contacts.view";
    ConversationsDelete = "conversations.delete";
    ConversationsUpdate = "conversations.update";
    ConversationsView = "conversations.view";
    LabelsAssign = "labels.assign";
    LabelsCreate = "labels.create";
    LabelsDelete = "labels.delete";
    LabelsUpdate = "labels.update";
    LabelsView = "labels.view";
    MediaDelete = "media.delete";
    MediaPublish = "media.publish";
    MediaUpload = "media.upload";
    MediaView = "media.view";
    MessagesDelete = "messages.delete";
    MessagesForward = "messages.forward";
    MessagesSchedule = "messages.schedule";
    MessagesSend = "messages.send";
    MessagesSendMedia = "messages.send_media";
    MessagesSendTemplate = "messages.send_template";
    MessagesView = "messages.view";
    ModulesManage = "modules.manage";
    ModulesView = "modules.view";
    NotesCreate = "notes.create";
    NotesUpdate = "notes.update";
    NotesView = "notes.view";
    NumbersManage = "numbers.manage";
    NumbersView = "numbers.view";
    ProfileUpdate = "profile.update";
    QueueManage = "queue.manage";
    QueueView = "queue.view";
    QuickRepliesCreate = "quick_replies.create";
    QuickRepliesDelete = "quick_replies.delete";
    QuickRepliesUpdate = "quick_replies.update";
    QuickRepliesView = "quick_replies.view";
    RbacManagePermissions = "rbac.manage_permissions";
    RbacManageRoles = "rbac.manage_roles";
    RbacManageUsers = "rbac.manage_users";
    RbacView = "rbac.view";
    RecipientListsCreate = "recipient_lists.create";
    RecipientListsDelete = "recipient_lists.delete";
    RecipientListsExport = "recipient_lists.export";
    RecipientListsImport = "recipient_lists.import";
    RecipientListsView = "recipient_lists.view";
    ReportsView = "reports.view";
    SegmentsCreate = "segments.create";
    SegmentsDelete = "segments.delete";
    SegmentsUpdate = "segments.update";
    SegmentsView = "segments.view";
    SettingsUpdate = "settings.update";
    SettingsView = "settings.view";
    TemplatesCreate = "templates.create";
    TemplatesDelete = "templates.delete";
    TemplatesSubmit = "templates.submit";
    TemplatesSync = "templates.sync";
    TemplatesUpdate = "templates.update";
    TemplatesView = "templates.view";
}
