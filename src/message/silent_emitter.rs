//! html5gum's emitter without its errors: nobody reads them, and finding them
//! costs one more check per character.

use html5gum::emitters::Emitter;
use html5gum::{Error, State};

/// An emitter that ignores errors.
pub struct SilentEmitter<E>(pub E);

/// Forwards calls.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        $(
            #[inline]
            fn $name(&mut self, $($argument: $kind),*) $(-> $result)? {
                self.0.$name($($argument),*)
            }
        )*
    };
}

impl<E: Emitter> Emitter for SilentEmitter<E> {
    type Token = E::Token;

    #[inline]
    fn emit_error(&mut self, _: Error) {}

    #[inline]
    fn should_emit_errors(&mut self) -> bool {
        false
    }

    pass_on! {
        set_last_start_tag(tag: Option<&[u8]>);
        emit_eof();
        pop_token() -> Option<Self::Token>;
        init_string();
        emit_string(text: &[u8]);
        init_start_tag();
        init_end_tag();
        init_comment();
        emit_current_tag() -> Option<State>;
        emit_current_comment();
        emit_current_doctype();
        set_self_closing();
        set_force_quirks();
        push_tag_name(text: &[u8]);
        push_comment(text: &[u8]);
        push_doctype_name(text: &[u8]);
        init_doctype();
        init_attribute();
        init_attribute_value();
        push_attribute_name(text: &[u8]);
        push_attribute_value(text: &[u8]);
        set_doctype_public_identifier(value: &[u8]);
        set_doctype_system_identifier(value: &[u8]);
        push_doctype_public_identifier(text: &[u8]);
        push_doctype_system_identifier(text: &[u8]);
        start_open_tag();
        current_is_appropriate_end_tag_token() -> bool;
        adjusted_current_node_present_but_not_in_html_namespace() -> bool;
        move_position(offset: isize);
    }
}
