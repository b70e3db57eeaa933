//! The permissions handlers ask for, as types: a handler names what it needs in its arguments.

/// One permission. The text is a `permission_key` of table `permissions`.
pub(crate) trait Permission: Send {
    const KEY: &'static str;
}

macro_rules! permissions {
    ($($name:ident = $key:literal;)+) => {
        $(
            #[doc = concat!("`", $key, "`")]
            pub(crate) struct $name;

            impl Permission for $name {
                const KEY: &'static str = $key;
            }
        )+
    };
}

permissions! {
    BroadcastsCreate = "broadcasts.create";
    BroadcastsView = "broadcasts.view";
    ConversationsView = "conversations.view";
    MessagesSend = "messages.send";
    MessagesView = "messages.view";
}
