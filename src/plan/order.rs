//! The steps in their order.
//!
//! The order is that of the pushes in `change_identity` and `change_capabilities`. The caller: chroot while CAP_SYS_CHROOT is effective;
//! groups and group ids while CAP_SETGID is; keep-caps and user ids; ambient capabilities are raised once permitted and inheritable hold
//! them; the bounding set is trimmed while CAP_SETPCAP is there; ambient capabilities are lowered; securebits; the final sets;
//! no_new_privs. So what cannot be undone (bounding set, locks, no_new_privs) comes after what a kernel is likely to refuse. Other threads
//! cannot go back anyway: they trim the bounding set before the change of user, which saves a capset(2). With keep-caps locked off,
//! bounding set and securebits come before the change of user for every thread.
//!
//! tests/plan.rs runs plans on a model of the kernel's rules: each step is allowed, and the end is what is wanted. The tests at the end of
//! this file fail if two steps are swapped.

use super::goal::{goal, refuse_identity};
use super::refusal::Refusal;
use super::state::{
    ALL_LOCKS, Credentials, KEEP_CAPS, KEEP_CAPS_LOCKED, NO_CAP_AMBIENT_RAISE, NO_SETUID_FIXUP, Target, TargetCaps,
    UNPRIVILEGED,
};
use super::step::Step;
use crate::caps::{self, CapSets, bit};

/// The most steps a plan has.
pub const MAX_STEPS: usize = 14;

/// A [`Step`] without what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RaiseEffective,
    Chroot,
    ChangeDirectory,
    SetGroups,
    SetResGid,
    KeepCapsOn,
    KeepCapsOff,
    SetResUid,
    WorkingSets,
    DropBounding,
    ClearAmbient,
    LowerAmbient,
    RaiseAmbient,
    SecureBits,
    CapSet,
    NoNewPrivs,
}

/// Ordered steps, and what a thread holds when they are done. Each stopped thread has one on its stack, which may be small and
/// untouched so far, so that it holds nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    kinds: [Kind; MAX_STEPS],
    len: u8,
    raised: CapSets,
    working: CapSets,
    dropped: u64,
    ambient_lowered: u64,
    ambient_raised: u64,
    reversible: u8,
    caps_after_reversible: CapSets,
    securebits_after_reversible: u32,
    /// The state the steps lead to.
    pub goal: Credentials,
}

/// Calls that change nothing, made before the first step that cannot be undone: whether the kernel would refuse a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// capset(2) of the sets that are held then.
    CapSet(CapSets),
    /// prctl(PR_SET_SECUREBITS) of the securebits that are set then.
    SecureBits(u32),
    /// prctl(PR_CAPBSET_DROP) of a capability that no kernel has: EINVAL where it is allowed, else EPERM.
    DropBounding,
}

impl Plan {
    /// The steps in order.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = Step> + '_ {
        self.kinds[..usize::from(self.len)].iter().map(|&kind| self.step(kind))
    }

    /// Whether it sets user or group ids, which may clear the dumpable flag (kernel/cred.c, commit_creds). What is shown of them does not
    /// tell: several may be shown as the overflow id.
    pub(crate) fn sets_ids(&self) -> bool {
        self.steps().any(|step| matches!(step, Step::SetResUid(_) | Step::SetResGid(_)))
    }

    /// What is dropped from the bounding set.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many of the first steps can be undone.
    pub fn reversible(&self) -> usize {
        usize::from(self.reversible)
    }

    /// What to ask before the first step that cannot be undone, so that none of those after it is refused.
    pub fn probes(&self) -> impl Iterator<Item = Probe> {
        let has = |wanted: fn(&Kind) -> bool| self.kinds[self.reversible()..usize::from(self.len)].iter().any(wanted);
        let setpcap = self.caps_after_reversible.effective & bit(caps::SETPCAP) != 0;
        let capset = has(|kind| matches!(kind, Kind::WorkingSets | Kind::CapSet))
            .then_some(Probe::CapSet(self.caps_after_reversible));
        let securebits = (setpcap && has(|kind| *kind == Kind::SecureBits))
            .then_some(Probe::SecureBits(self.securebits_after_reversible));
        let bounding = (setpcap && has(|kind| *kind == Kind::DropBounding)).then_some(Probe::DropBounding);
        [bounding, capset, securebits].into_iter().flatten()
    }

    /// Whether a step that no probe tells of comes after one that cannot be undone, or is one: a change of ids or groups, or of a
    /// securebit that this kernel may not know (those since Linux 6.14). The plan is rehearsed then even without a seccomp filter.
    pub fn must_be_rehearsed(&self) -> bool {
        let new_bits = self.goal.securebits & !self.securebits_after_reversible & UNPRIVILEGED;
        let is_one = |kind: &Kind| match kind {
            Kind::SetGroups | Kind::SetResGid | Kind::SetResUid => true,
            Kind::SecureBits => new_bits != 0,
            _ => false,
        };
        self.kinds[self.reversible()..usize::from(self.len)].iter().any(is_one)
    }

    fn step(&self, kind: Kind) -> Step {
        match kind {
            Kind::RaiseEffective => Step::RaiseEffective(self.raised),
            Kind::Chroot => Step::Chroot,
            Kind::ChangeDirectory => Step::ChangeDirectory,
            Kind::SetGroups => Step::SetGroups,
            Kind::SetResGid => Step::SetResGid(self.goal.gids[0]),
            Kind::KeepCapsOn => Step::KeepCaps(true),
            Kind::KeepCapsOff => Step::KeepCaps(false),
            Kind::SetResUid => Step::SetResUid(self.goal.uids[0]),
            Kind::WorkingSets => Step::WorkingSets(self.working),
            Kind::DropBounding => Step::DropBounding(self.dropped),
            Kind::ClearAmbient => Step::ClearAmbient,
            Kind::LowerAmbient => Step::LowerAmbient(self.ambient_lowered),
            Kind::RaiseAmbient => Step::RaiseAmbient(self.ambient_raised),
            Kind::SecureBits => Step::SecureBits(self.goal.securebits),
            Kind::CapSet => Step::CapSet(self.goal.caps),
            Kind::NoNewPrivs => Step::NoNewPrivs,
        }
    }
}

/// Which of the orders that work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanKind {
    /// What can be undone first: for the thread that calls, whose refusal leaves all as it was.
    Caller,
    /// The fewest calls: for the threads that follow, whose refusal can only be the end. A capset(2) of the final sets is always
    /// made: its success is the proof of what is held, where capget(2) shows what a security module lets it show.
    Follower,
    /// As [`PlanKind::Follower`], without a call that changes nothing: a seccomp filter may kill for it.
    FilteredFollower,
}

impl PlanKind {
    fn is_follower(self) -> bool {
        self != PlanKind::Caller
    }
}

/// Adds steps and keeps account of what they change, so that only what still differs becomes a step.
struct Planner {
    now: Credentials,
    overflow_uid: Option<u32>,
    overflow_gid: Option<u32>,
    plan: Plan,
}

impl Planner {
    /// Whether a step can be undone from what is held now.
    fn can_be_undone(&self, kind: Kind) -> bool {
        let now = &self.now;
        let holds = |cap: u8| now.caps.permitted & bit(cap) != 0;
        match self.plan.step(kind) {
            Step::DropBounding(_) | Step::NoNewPrivs => false,
            Step::SecureBits(bits) => bits & ALL_LOCKS & !now.securebits == 0,
            // What is lowered can be raised again but for a securebit (capabilities(7), SECBIT_NO_CAP_AMBIENT_RAISE).
            Step::ClearAmbient | Step::LowerAmbient(_) => now.securebits & NO_CAP_AMBIENT_RAISE == 0,
            Step::CapSet(caps) | Step::WorkingSets(caps) | Step::RaiseEffective(caps) => {
                let ambient_stays = now.ambient & !(caps.permitted & caps.inheritable) == 0;
                now.caps.permitted & !caps.permitted == 0
                    && (ambient_stays || now.securebits & NO_CAP_AMBIENT_RAISE == 0)
                    // security/commoncap.c, cap_capset: inheritable grows within permitted
                    && now.caps.inheritable & !(caps.inheritable | now.caps.permitted) == 0
            }
            Step::SetGroups => now.groups_can_return,
            Step::SetResGid(gid) => {
                let is_known = self.overflow_gid.is_none_or(|overflow| !now.gids.contains(&overflow));
                is_known && (holds(caps::SETGID) || now.gids == [gid; 4])
            }
            Step::SetResUid(uid) => {
                let keeps = now.securebits & (NO_SETUID_FIXUP | KEEP_CAPS) != 0;
                let loses = now.uids[..3].contains(&0) && uid != 0;
                let ambient_stays = now.ambient == 0 || now.securebits & NO_CAP_AMBIENT_RAISE == 0;
                let is_known = self.overflow_uid.is_none_or(|overflow| !now.uids.contains(&overflow));
                is_known && (holds(caps::SETUID) || now.uids == [uid; 4]) && (!loses || (keeps && ambient_stays))
            }
            _ => true,
        }
    }

    fn push(&mut self, kind: Kind) {
        if usize::from(self.plan.reversible) == usize::from(self.plan.len) {
            if self.can_be_undone(kind) {
                self.plan.reversible += 1;
            }
            self.plan.caps_after_reversible = self.now.caps;
            self.plan.securebits_after_reversible = self.now.securebits;
        }
        let now = &mut self.now;
        match self.plan.step(kind) {
            Step::RaiseEffective(caps) | Step::WorkingSets(caps) | Step::CapSet(caps) => {
                now.caps = caps;
                now.ambient &= caps.permitted & caps.inheritable;
            }
            Step::SetGroups => now.groups_as_wanted = true,
            Step::SetResGid(gid) => now.gids = [gid; 4],
            Step::KeepCaps(true) => now.securebits |= KEEP_CAPS,
            Step::KeepCaps(false) => now.securebits &= !KEEP_CAPS,
            Step::SetResUid(uid) => {
                // security/commoncap.c, cap_emulate_setxuid
                if now.securebits & NO_SETUID_FIXUP == 0 {
                    if now.uids[..3].contains(&0) && uid != 0 {
                        if now.securebits & KEEP_CAPS == 0 {
                            now.caps.permitted = 0;
                            now.caps.effective = 0;
                        }
                        now.ambient = 0;
                    }
                    if now.uids[1] == 0 && uid != 0 {
                        now.caps.effective = 0;
                    }
                    if now.uids[1] != 0 && uid == 0 {
                        now.caps.effective = now.caps.permitted;
                    }
                }
                now.uids = [uid; 4];
            }
            Step::DropBounding(mask) => now.bounding &= !mask,
            Step::ClearAmbient => now.ambient = 0,
            Step::LowerAmbient(mask) => now.ambient &= !mask,
            Step::RaiseAmbient(mask) => now.ambient |= mask,
            Step::SecureBits(bits) => now.securebits = bits,
            Step::NoNewPrivs => now.no_new_privs = true,
            Step::Chroot => {
                now.root_as_wanted = true;
                now.cwd_as_wanted = true;
            }
            Step::ChangeDirectory => now.cwd_as_wanted = true,
            Step::ReadBack | Step::ParentDeathSignal(_) | Step::Dumpable => {}
        }
        // There is room for all that one plan can have, each kind once.
        if let Some(slot) = self.plan.kinds.get_mut(usize::from(self.plan.len)) {
            *slot = kind;
            self.plan.len += 1;
        }
    }

    fn effective(&mut self, needed: u64) {
        let needed = needed & self.now.caps.permitted & !self.now.caps.effective;
        if needed != 0 {
            let mut caps = self.now.caps;
            caps.effective |= needed;
            self.plan.raised = caps;
            self.push(Kind::RaiseEffective);
        }
    }

    fn drop_bounding(&mut self, goal: &Credentials) {
        let extra = self.now.bounding & !goal.bounding;
        if extra != 0 {
            self.plan.dropped = extra;
            self.push(Kind::DropBounding);
        }
    }

    fn set_securebits(&mut self, goal: &Credentials) {
        let changed = self.now.securebits ^ goal.securebits;
        // This one has a call of its own, which needs no privilege.
        if changed & KEEP_CAPS != 0 && changed & !(KEEP_CAPS | UNPRIVILEGED) == 0 {
            self.push(Kind::KeepCapsOff);
        }
        if self.now.securebits != goal.securebits {
            self.push(Kind::SecureBits);
        }
    }

    /// Whether the last change of the three sets was a capset(2) of the final ones.
    fn ends_with_capset(&self, goal: &Credentials) -> bool {
        let kinds = &self.plan.kinds[..usize::from(self.plan.len)];
        let working = kinds.iter().rposition(|kind| *kind == Kind::WorkingSets);
        let user = kinds.iter().rposition(|kind| *kind == Kind::SetResUid);
        working.is_some() && working > user && self.plan.working == goal.caps
    }

    /// Whether something is left to do that CAP_SETPCAP must be effective for.
    fn needs_setpcap(&self, goal: &Credentials) -> bool {
        self.now.bounding != goal.bounding
            || (self.now.securebits ^ goal.securebits) & !(KEEP_CAPS | UNPRIVILEGED) != 0
            // security/commoncap.c, cap_inh_is_capped
            || goal.caps.inheritable & !(self.now.caps.inheritable | self.now.caps.permitted) != 0
    }
}

/// The steps from `held` to what is wanted, or why there are none. `target` must have been settled for the caller.
pub fn plan(target: &Target, held: &Credentials, kind: PlanKind) -> Result<Plan, Refusal> {
    let goal = goal(target, held)?;
    refuse_identity(held, &goal)?;
    let mut p = Planner {
        now: *held,
        overflow_uid: target.overflow_uid,
        overflow_gid: target.overflow_gid,
        plan: Plan {
            kinds: [Kind::NoNewPrivs; MAX_STEPS],
            len: 0,
            raised: CapSets::EMPTY,
            working: CapSets::EMPTY,
            dropped: 0,
            ambient_lowered: 0,
            ambient_raised: 0,
            reversible: 0,
            caps_after_reversible: held.caps,
            securebits_after_reversible: held.securebits,
            goal,
        },
    };
    change_identity(&mut p, target, held, &goal, kind)?;
    change_capabilities(&mut p, target, &goal, kind)?;
    debug_assert_eq!(p.now, goal);
    Ok(p.plan)
}

/// The steps up to the change of user.
fn change_identity(
    p: &mut Planner,
    target: &Target,
    held: &Credentials,
    goal: &Credentials,
    kind: PlanKind,
) -> Result<(), Refusal> {
    let setpcap = bit(caps::SETPCAP);
    let new_uids = goal.uids != held.uids || target.uid_is_ambiguous();
    let new_gids = goal.gids != held.gids || target.gid_is_ambiguous();
    let needs_setpcap = p.needs_setpcap(goal);
    let loses_root = new_uids
        && held.uids[..3].contains(&0)
        && goal.uids[1] != 0
        && held.securebits & (NO_SETUID_FIXUP | KEEP_CAPS) == 0;
    let keep_caps_locked = held.securebits & KEEP_CAPS_LOCKED != 0;
    if loses_root && keep_caps_locked && goal.caps.permitted != 0 {
        return Err(Refusal::KeepCapsLockedOff { lost: goal.caps.permitted });
    }
    let inherits = goal.caps.inheritable & !held.caps.inheritable != 0;
    // With keep-caps locked off, what needs capabilities has to come before the change of user.
    let all_first = loses_root && keep_caps_locked && (needs_setpcap || inherits);

    let mut needed = 0;
    if !held.root_as_wanted {
        needed |= bit(caps::SYS_CHROOT);
    }
    if !held.groups_as_wanted || new_gids {
        needed |= bit(caps::SETGID);
    }
    if new_uids {
        needed |= bit(caps::SETUID);
    }
    if all_first && needs_setpcap {
        needed |= setpcap;
    }
    let drop_first = all_first || (kind.is_follower() && held.caps.effective & setpcap != 0);
    p.effective(needed);
    if !held.root_as_wanted {
        p.push(Kind::Chroot);
    } else if !held.cwd_as_wanted {
        p.push(Kind::ChangeDirectory);
    }
    if !held.groups_as_wanted {
        p.push(Kind::SetGroups);
    }
    if new_gids {
        p.push(Kind::SetResGid);
    }
    if all_first {
        let inheritable = p.now.caps.inheritable | goal.caps.inheritable;
        if inheritable != p.now.caps.inheritable {
            p.plan.working = CapSets { inheritable, ..p.now.caps };
            p.push(Kind::WorkingSets);
        }
    }
    if drop_first {
        p.drop_bounding(goal);
    }
    if all_first {
        p.set_securebits(goal);
    }
    if new_uids {
        // What may become inheritable depends on what is permitted, so that this too has to outlive the change of user.
        // And while it is kept, the change can be undone.
        let must_survive = !kind.is_follower() || goal.caps.permitted != 0 || p.needs_setpcap(goal) || inherits;
        if loses_root && must_survive && !keep_caps_locked {
            p.push(Kind::KeepCapsOn);
        }
        p.push(Kind::SetResUid);
    }
    Ok(())
}

/// The steps after it.
fn change_capabilities(p: &mut Planner, target: &Target, goal: &Credentials, kind: PlanKind) -> Result<(), Refusal> {
    // One capset for what the remaining steps need; the permitted set stays, so that they can be undone.
    let raise = goal.ambient & !p.now.ambient;
    if raise != 0 && p.now.securebits & NO_CAP_AMBIENT_RAISE != 0 {
        return Err(Refusal::AmbientRaiseOff { missing: raise });
    }
    let mut working = p.now.caps;
    if p.needs_setpcap(goal) {
        working.effective |= bit(caps::SETPCAP);
    }
    if raise != 0 {
        working.inheritable |= goal.ambient;
    }
    if working != p.now.caps && kind.is_follower() && !p.needs_setpcap(goal) {
        working = goal.caps;
    }
    if working != p.now.caps {
        p.plan.working = working;
        p.push(Kind::WorkingSets);
    }
    // What may be refused comes before what cannot be taken back; lowering never is refused.
    if raise != 0 {
        p.plan.ambient_raised = raise;
        p.push(Kind::RaiseAmbient);
    }
    p.drop_bounding(goal);
    let lower = p.now.ambient & !goal.ambient;
    if lower != 0 {
        p.plan.ambient_lowered = lower;
        p.push(if goal.ambient == 0 { Kind::ClearAmbient } else { Kind::LowerAmbient });
    }
    p.set_securebits(goal);
    let proof = kind == PlanKind::Follower && target.caps != TargetCaps::Keep;
    if p.now.caps != goal.caps || (proof && !p.ends_with_capset(goal)) {
        p.push(Kind::CapSet);
    }
    if p.now.no_new_privs != goal.no_new_privs {
        p.push(Kind::NoNewPrivs);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET_BIND: u64 = 1 << 10;
    const KILL: u64 = 1 << 5;
    const NOROOT: u32 = 1;
    const LAST_CAP: u8 = 40;
    const ALL: u64 = caps::up_to(LAST_CAP);

    /// Root in another directory, with every capability; CAP_SYS_CHROOT is not effective.
    const ROOT: Credentials = Credentials {
        uids: [0; 4],
        gids: [0; 4],
        groups_as_wanted: false,
        groups_can_return: true,
        root_as_wanted: false,
        cwd_as_wanted: false,
        caps: CapSets { effective: ALL & !bit(caps::SYS_CHROOT), permitted: ALL, inheritable: 0 },
        bounding: ALL,
        ambient: 0,
        securebits: 0,
        no_new_privs: false,
    };

    /// A user with one capability, which programs that it executes hold too.
    const SERVER: Target = Target {
        uid: Some(1000),
        gid: Some(1000),
        groups: true,
        caps: TargetCaps::Exactly(CapSets { effective: NET_BIND, permitted: NET_BIND, inheritable: 0 }),
        optional: CapSets::EMPTY,
        ambient: Some(NET_BIND),
        trim_bounding: true,
        require_trim: true,
        securebits: Some(NOROOT),
        no_new_privs: true,
        keep_parent_death_signal: false,
        keep_dumpable: false,
        last_cap: LAST_CAP,
        overflow_uid: None,
        overflow_gid: None,
    };

    fn order(target: &Target, held: &Credentials, kind: PlanKind) -> Vec<Kind> {
        let plan = plan(target, held, kind).expect("a plan");
        plan.kinds[..usize::from(plan.len)].to_vec()
    }

    /// The kernel, and so the model of tests/plan.rs, also allows other orders. This is the one that the module's comment gives reasons
    /// for.
    #[test]
    fn the_order_of_the_steps() {
        use Kind::*;
        assert_eq!(
            order(&SERVER, &ROOT, PlanKind::Caller),
            [
                RaiseEffective,
                Chroot,
                SetGroups,
                SetResGid,
                KeepCapsOn,
                SetResUid,
                WorkingSets,
                RaiseAmbient,
                DropBounding,
                SecureBits,
                CapSet,
                NoNewPrivs
            ]
        );
        assert_eq!(plan(&SERVER, &ROOT, PlanKind::Caller).map(|plan| plan.reversible()), Ok(8), "up to RaiseAmbient");
        assert_eq!(
            order(&SERVER, &ROOT, PlanKind::Follower),
            [
                RaiseEffective,
                Chroot,
                SetGroups,
                SetResGid,
                DropBounding,
                KeepCapsOn,
                SetResUid,
                WorkingSets,
                RaiseAmbient,
                SecureBits,
                CapSet,
                NoNewPrivs
            ]
        );
    }

    #[test]
    fn the_order_without_a_change_of_user() {
        use Kind::*;
        let caps = CapSets { inheritable: KILL, ..ROOT.caps };
        let user = Credentials { uids: [1000; 4], root_as_wanted: true, caps, ambient: KILL, ..ROOT };
        assert_eq!(
            order(&SERVER, &user, PlanKind::Caller),
            [
                ChangeDirectory,
                SetGroups,
                SetResGid,
                WorkingSets,
                RaiseAmbient,
                DropBounding,
                LowerAmbient,
                SecureBits,
                CapSet,
                NoNewPrivs
            ]
        );
        // What needs no privilege, and has calls of its own.
        let keeps = Credentials { securebits: KEEP_CAPS, ..user };
        let lowers = Target { ambient: None, securebits: None, trim_bounding: false, ..SERVER };
        assert_eq!(
            order(&lowers, &keeps, PlanKind::Caller),
            [ChangeDirectory, SetGroups, SetResGid, ClearAmbient, KeepCapsOff, CapSet, NoNewPrivs]
        );
    }

    #[test]
    fn the_order_with_keep_caps_locked_off() {
        use Kind::*;
        let locked = Credentials { securebits: KEEP_CAPS_LOCKED, ..ROOT };
        let inherits = Target {
            caps: TargetCaps::Exactly(CapSets { inheritable: NET_BIND, ..CapSets::EMPTY }),
            ambient: None,
            securebits: Some(NOROOT | KEEP_CAPS_LOCKED),
            ..SERVER
        };
        assert_eq!(
            order(&inherits, &locked, PlanKind::Caller),
            [
                RaiseEffective,
                Chroot,
                SetGroups,
                SetResGid,
                WorkingSets,
                DropBounding,
                SecureBits,
                SetResUid,
                NoNewPrivs
            ]
        );
    }
}
