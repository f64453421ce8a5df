//! How the list of the kinds becomes an enum. The list itself stands in [`super`], beside the modules that it names.

/// Makes of one line a kind its place in the enum, and the way from the one to the other.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident($module:ident::$kind:ident),)*) => {
        /// What an action does. This list is the one place that knows all kinds; whatever may be asked of them is asked
        /// of [`kind::ActionKind`].
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum ActionSpec {
            $($(#[$doc])* $variant(self::$module::$kind),)*
        }

        impl std::ops::Deref for ActionSpec {
            type Target = dyn kind::ActionKind;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$variant(kind) => kind,)*
                }
            }
        }

        $(impl From<self::$module::$kind> for ActionSpec {
            fn from(kind: self::$module::$kind) -> Self {
                Self::$variant(kind)
            }
        })*
    };
}
