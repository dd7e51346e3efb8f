//! Methods of a deserializer that all do the same.

macro_rules! same {
    ($same:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'d>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$same(visitor)
        })*
    };
}
