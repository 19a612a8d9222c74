//! Text columns that hold one word of a closed set.

/// An enum whose variants are the words of a text column.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),* }

        impl $name {
            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl ::schemas::row::ColumnType for $name {
            const KIND: ::schemas::row::Kind = ::schemas::row::Kind::Text;
            fn into_value(self) -> ::schemas::row::Value {
                ::schemas::row::Value::Text(self.as_str().to_owned())
            }
            fn from_value(value: ::schemas::row::Value) -> Option<Self> {
                match value {
                    ::schemas::row::Value::Text(word) => match word.as_str() {
                        $($word => Some(Self::$variant),)*
                        _ => None,
                    },
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use words;
