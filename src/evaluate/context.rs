//! What values are looked up in: a message, the rules, the world, and what rules
//! have done.

use std::cell::OnceCell;
use std::rc::Rc;

use super::run_state::RunState;
use crate::classify::people::People;
use crate::classify::{Mail, SharedResults};
use crate::file::{ANYWHERE, Bounds};
use crate::message::Message;
use crate::message::address::Address;
use crate::rules::compiled::CompiledProgram;
use crate::rules::rule_set::RuleSet;
use crate::world::World;

/// Everything that a value may be looked up in.
pub(super) struct Context<'a> {
    pub(super) program: &'a CompiledProgram,
    pub(super) message: &'a Message,
    pub(super) world: &'a World,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) me: Option<&'a dyn Fn(&Address) -> bool>,
    pub(super) people: &'a dyn Fn() -> Result<Rc<People>, String>,
    /// All rules, during the run of the site rules.
    pub(super) site_of: Option<&'a RuleSet>,
    mail: OnceCell<Mail<'a>>,
    /// What rules have done so far.
    pub(super) state: RunState,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        program: &'a CompiledProgram,
        message: &'a Message,
        world: &'a World,
        variable: &'a dyn Fn(&str) -> Option<String>,
        me: Option<&'a dyn Fn(&Address) -> bool>,
        people: &'a dyn Fn() -> Result<Rc<People>, String>,
    ) -> Context<'a> {
        let (mail, state) = (OnceCell::new(), RunState::default());
        let site_of = None;
        Context { program, message, world, variable, me, people, site_of, mail, state }
    }

    /// The same context for other rules, which have not done anything yet.
    pub(super) fn of<'p>(&self, program: &'p CompiledProgram) -> Context<'p>
    where
        'a: 'p,
    {
        Context::new(program, self.message, self.world, self.variable, self.me, self.people)
    }

    /// Whether the rules are the site's.
    pub(super) fn is_site(&self) -> bool {
        !self.program.categories.is_empty()
    }

    /// Where a file that the rules name must be: for a confined user, in the home
    /// directory. For site rules this holds for paths that begin with `~/`.
    pub(super) fn bounds(&self, written: &str) -> &'a Bounds {
        match self.is_site() && !written.starts_with("~/") {
            true => &ANYWHERE,
            false => self.world.user.bounds(),
        }
    }

    /// The message as classifiers see it.
    pub(super) fn mail(&self) -> &Mail<'a> {
        self.mail.get_or_init(|| {
            let settings = &self.program.settings;
            Mail {
                message: self.message,
                envelope_sender: self.world.envelope_sender(self.message),
                has_long_sender: self.world.has_long_sender(self.message),
                me: self.me,
                people: self.people,
                trust: settings.trust.clone(),
                relays: settings.relays.clone(),
                spam_score_header: settings.spam_score_header.clone(),
                host_name: self.world.host_name(),
                known: SharedResults::default(),
                variable: self.variable,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Detail;
    use super::super::testing::{confined, rules, run_on, steps, with_site};
    use crate::world::World;

    #[test]
    fn a_list_outside_the_home_is_for_the_sites_rules_only() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let outside = place.path().join("list");
        std::fs::write(&outside, "a@b.example\n").unwrap();
        std::os::unix::fs::symlink(&outside, home.join("link")).unwrap();
        std::fs::write(home.join("own"), "a@b.example\n").unwrap();
        let world = World { user: confined(&home), ..World::default() };
        let filed = |list: &str, of_site: bool| {
            let list = format!("list l \"{list}\"\n");
            let rule = "when from in l -> folder \"A\"\n";
            let rules = match of_site {
                true => with_site(&format!("{list}category \"c\" {{\n{rule}}}\n"), "inbox\n"),
                false => rules(&format!("{list}{rule}")),
            };
            let run = run_on(&rules, "From: a@b.example\n\n", &world, Detail::Plan);
            steps(&run).iter().any(|step| step == "folder \"A\"")
        };
        let outside = outside.to_str().unwrap();
        assert!(filed(outside, true) && !filed(outside, false));
        assert!(filed("~/own", true) && filed("~/own", false));
        assert!(!filed("~/link", true) && !filed("~/link", false));
    }
}
