//! Plans carried out on a model of the kernel's rules: whenever there is a plan, each of its steps is allowed and the end is
//! what was asked for; whenever there is none, the reason given is true.
//!
//! The model is written after kernel/sys.c (__sys_setresuid, __sys_setresgid), kernel/groups.c (may_setgroups), fs/open.c
//! (chroot) and security/commoncap.c (cap_capset, cap_task_fix_setuid, cap_task_prctl), and shares nothing with src/plan.

mod chance;

use chance::Chance;
use ec_security::caps::CapSets;
use ec_security::plan::{
    Credentials, Plan, PlanKind, Probe, Refusal, SECUREBITS, Step, Target, TargetCaps, first_mismatch, plan,
};

const SETGID: u64 = 1 << 6;
const SETUID: u64 = 1 << 7;
const SETPCAP: u64 = 1 << 8;
const SYS_CHROOT: u64 = 1 << 18;
/// Those that occur: the four that steps need, three others, and in places one that this kernel lacks.
const CAPS: [u64; 7] = [1 << 0, SETGID, SETUID, SETPCAP, 1 << 10, SYS_CHROOT, 1 << 40];
const LAST_CAP: u8 = 40;
const LACKING: u64 = 1 << 41;

const NOROOT: u32 = 1 << 0;
const FIXUP_OFF: u32 = 1 << 2;
const KEEP: u32 = 1 << 4;
const NO_RAISE: u32 = 1 << 6;
/// Bits 1, 3, 5, 7, 9, 11 lock the bit below.
const LOCKS: u32 = 0xaaa;

/// A thread as the kernel knows it.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Thread {
    uid: [u32; 3],
    fsuid: u32,
    gid: [u32; 3],
    fsgid: u32,
    groups_as_wanted: bool,
    root_as_wanted: bool,
    cwd_as_wanted: bool,
    p: u64,
    e: u64,
    i: u64,
    bounding: u64,
    ambient: u64,
    securebits: u32,
    no_new_privs: bool,
}

type Allowed = Result<(), &'static str>;

impl Thread {
    fn capable(&self, cap: u64) -> bool {
        self.e & cap != 0
    }

    fn setresuid(&mut self, uid: u32) -> Allowed {
        if self.uid == [uid; 3] && self.fsuid == uid {
            return Ok(());
        }
        if !self.uid.contains(&uid) && !self.capable(SETUID) {
            return Err("setresuid");
        }
        let old = self.uid;
        self.uid = [uid; 3];
        self.fsuid = uid;
        if self.securebits & FIXUP_OFF == 0 {
            if old.contains(&0) && uid != 0 {
                if self.securebits & KEEP == 0 {
                    self.p = 0;
                    self.e = 0;
                }
                self.ambient = 0;
            }
            if old[1] == 0 && uid != 0 {
                self.e = 0;
            }
            if old[1] != 0 && uid == 0 {
                self.e = self.p;
            }
        }
        Ok(())
    }

    fn setresgid(&mut self, gid: u32) -> Allowed {
        if !self.gid.contains(&gid) && !self.capable(SETGID) {
            return Err("setresgid");
        }
        self.gid = [gid; 3];
        self.fsgid = gid;
        Ok(())
    }

    fn capset(&mut self, caps: &CapSets) -> Allowed {
        let inheritable = caps.inheritable;
        if !self.capable(SETPCAP) && inheritable & !(self.i | self.p) != 0 {
            return Err("capset: inheritable beyond permitted");
        }
        if inheritable & !(self.i | self.bounding) != 0 {
            return Err("capset: inheritable beyond bounding");
        }
        if caps.permitted & !self.p != 0 {
            return Err("capset: permitted grows");
        }
        if caps.effective & !caps.permitted != 0 {
            return Err("capset: effective beyond permitted");
        }
        // kernel/capability.c, mk_kernel_cap: unknown bits are masked in silence
        let known = (1 << (LAST_CAP + 1)) - 1;
        (self.p, self.e, self.i) = (caps.permitted & known, caps.effective & known, inheritable & known);
        self.ambient &= self.p & self.i;
        Ok(())
    }

    fn set_securebits(&mut self, bits: u32) -> Allowed {
        let changed = self.securebits ^ bits;
        let unprivileged = 0xf00;
        if (self.securebits & LOCKS) >> 1 & changed != 0
            || self.securebits & LOCKS & !bits != 0
            || bits & !0xfff != 0
            || (!self.capable(SETPCAP) && (changed == 0 || changed & !unprivileged != 0))
        {
            return Err("prctl(PR_SET_SECUREBITS)");
        }
        self.securebits = bits;
        Ok(())
    }

    fn step(&mut self, step: Step) -> Allowed {
        match step {
            Step::RaiseEffective(caps) | Step::WorkingSets(caps) | Step::CapSet(caps) => self.capset(&caps),
            Step::Chroot if !self.capable(SYS_CHROOT) => Err("chroot"),
            Step::Chroot => {
                self.root_as_wanted = true;
                self.cwd_as_wanted = true;
                Ok(())
            }
            Step::ChangeDirectory if !self.root_as_wanted => Err("chdir to another root"),
            Step::ChangeDirectory => {
                self.cwd_as_wanted = true;
                Ok(())
            }
            Step::SetGroups if !self.capable(SETGID) => Err("setgroups"),
            Step::SetGroups => {
                self.groups_as_wanted = true;
                Ok(())
            }
            Step::SetResGid(gid) => self.setresgid(gid),
            Step::SetResUid(uid) => self.setresuid(uid),
            Step::KeepCaps(_) if self.securebits & (KEEP << 1) != 0 => Err("prctl(PR_SET_KEEPCAPS)"),
            Step::KeepCaps(on) => {
                self.securebits = if on { self.securebits | KEEP } else { self.securebits & !KEEP };
                Ok(())
            }
            Step::DropBounding(_) if !self.capable(SETPCAP) => Err("prctl(PR_CAPBSET_DROP)"),
            Step::DropBounding(mask) => {
                self.bounding &= !mask;
                Ok(())
            }
            Step::ClearAmbient => {
                self.ambient = 0;
                Ok(())
            }
            Step::LowerAmbient(mask) => {
                self.ambient &= !mask;
                Ok(())
            }
            Step::RaiseAmbient(mask) => {
                if mask & !(self.p & self.i) != 0 || self.securebits & NO_RAISE != 0 {
                    return Err("prctl(PR_CAP_AMBIENT_RAISE)");
                }
                self.ambient |= mask;
                Ok(())
            }
            Step::SecureBits(bits) => self.set_securebits(bits),
            Step::NoNewPrivs => {
                self.no_new_privs = true;
                Ok(())
            }
            Step::ReadBack | Step::ParentDeathSignal(_) | Step::Dumpable => Err("no step of a plan"),
        }
    }

    fn probe(&self, probe: Probe) -> Allowed {
        let mut now = *self;
        match probe {
            Probe::CapSet(caps) => now.capset(&caps)?,
            Probe::SecureBits(bits) => now.set_securebits(bits)?,
            Probe::DropBounding if !self.capable(SETPCAP) => return Err("prctl(PR_CAPBSET_DROP)"),
            Probe::DropBounding => {}
        }
        if now == *self { Ok(()) } else { Err("a change") }
    }

    /// Whether what a step has made of this thread still permits a way back.
    fn can_return_from(&self, now: &Thread) -> bool {
        let p_stays = now.p == self.p;
        let uid = now.uid == self.uid || now.p & SETUID != 0;
        let gid = now.gid == self.gid || now.p & SETGID != 0;
        let ambient = self.ambient & !now.ambient == 0 || now.securebits & NO_RAISE == 0;
        let inheritable = self.i & !(now.i | now.p) == 0;
        let locks = now.securebits & LOCKS & !self.securebits == 0;
        p_stays && uid && gid && ambient && inheritable && locks
    }

    fn held(&self) -> Credentials {
        Credentials {
            uids: [self.uid[0], self.uid[1], self.uid[2], self.fsuid],
            gids: [self.gid[0], self.gid[1], self.gid[2], self.fsgid],
            groups_as_wanted: self.groups_as_wanted,
            groups_can_return: true,
            root_as_wanted: self.root_as_wanted,
            cwd_as_wanted: self.cwd_as_wanted,
            caps: CapSets { effective: self.e, permitted: self.p, inheritable: self.i },
            bounding: self.bounding,
            ambient: self.ambient,
            securebits: self.securebits,
            no_new_privs: self.no_new_privs,
        }
    }
}

// ---- cases by chance ------------------------------------------------------------------------------------------------

impl Chance {
    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.next() as usize % some.len()]
    }

    /// A subset: often all, often none.
    fn set(&mut self) -> u64 {
        match self.next() % 4 {
            0 => 0,
            1 => CAPS.iter().sum(),
            _ => {
                let mask = self.next();
                CAPS.iter().enumerate().filter(|(at, _)| mask >> at & 1 != 0).map(|(_, cap)| cap).sum()
            }
        }
    }

    fn securebits(&mut self) -> u32 {
        match self.next() % 4 {
            0 | 1 => 0,
            2 => self.of(&[KEEP, KEEP << 1, NOROOT, NOROOT | NOROOT << 1, FIXUP_OFF, NO_RAISE, 1 << 8, 0x300]),
            _ => (self.next() & 0xfff) as u32,
        }
    }

    fn thread(&mut self) -> Thread {
        let ids = |chance: &mut Chance| {
            let id = chance.of(&[0, 0, 1000, 4711]);
            let mut ids = [id; 4];
            if chance.one_in(3) {
                ids = core::array::from_fn(|_| chance.of(&[0, 1000, 4711]));
            }
            ids
        };
        let (uids, gids) = (ids(self), ids(self));
        let p = self.set();
        let e = if self.one_in(3) { p & self.set() } else { p };
        let i = if self.one_in(2) { 0 } else { self.set() };
        let ambient = if self.one_in(2) { 0 } else { p & i & self.set() };
        Thread {
            uid: [uids[0], uids[1], uids[2]],
            fsuid: uids[3],
            gid: [gids[0], gids[1], gids[2]],
            fsgid: gids[3],
            groups_as_wanted: self.one_in(2),
            root_as_wanted: !self.one_in(3),
            cwd_as_wanted: !self.one_in(2),
            p,
            e,
            i,
            bounding: if self.one_in(3) { self.set() } else { CAPS.iter().sum() },
            ambient,
            securebits: self.securebits(),
            no_new_privs: self.one_in(3),
        }
    }

    /// Mostly within what `thread` permits, so that there is a plan in about half of the cases.
    fn wanted(&mut self, thread: &Thread) -> Target {
        let lacking = if self.one_in(50) { LACKING } else { 0 };
        let permitted = self.set() & if self.one_in(6) { !0 } else { thread.p } | lacking;
        let effective = self.set() & if self.one_in(10) { !0 } else { permitted } | self.of(&[0, lacking]);
        let inheritable = self.of(&[0, lacking])
            | match self.next() % 4 {
                0 | 1 => 0,
                2 => self.set() & (thread.p | thread.i),
                _ => self.set(),
            };
        let optional = if self.one_in(3) {
            let permitted = self.set();
            CapSets { effective: permitted & self.set(), permitted, inheritable: self.set() }
        } else {
            CapSets::EMPTY
        };
        let some = |chance: &mut Chance| (!chance.one_in(3)).then(|| chance.of(&[0, 1000, 4711, 4712]));
        let ambient = match self.next() % 4 {
            0 | 1 => None,
            2 => Some(permitted & self.set()),
            _ => Some(self.set()),
        };
        Target {
            uid: some(self),
            gid: some(self),
            groups: true,
            caps: if self.one_in(4) {
                TargetCaps::Keep
            } else {
                TargetCaps::Exactly(CapSets { effective, permitted, inheritable })
            },
            optional,
            ambient,
            trim_bounding: !self.one_in(3),
            require_trim: false,
            securebits: (!self.one_in(2)).then(|| {
                let bits = self.securebits();
                if self.one_in(2) { bits | thread.securebits & LOCKS } else { bits }
            }),
            no_new_privs: !self.one_in(3),
            keep_parent_death_signal: false,
            keep_dumpable: false,
            last_cap: LAST_CAP,
            overflow_uid: None,
            overflow_gid: None,
        }
    }
}

// ---- what must hold -------------------------------------------------------------------------------------------------

/// The end that was asked for, said once more in other words than the plan's.
fn expected(wanted: &Target, was: &Thread) -> Thread {
    let mut end = *was;
    end.groups_as_wanted = true;
    end.root_as_wanted = true;
    end.cwd_as_wanted = true;
    if let Some(uid) = wanted.uid {
        (end.uid, end.fsuid) = ([uid; 3], uid);
    }
    if let Some(gid) = wanted.gid {
        (end.gid, end.fsgid) = ([gid; 3], gid);
    }
    if let TargetCaps::Exactly(caps) = wanted.caps {
        (end.p, end.e, end.i, end.ambient) = (caps.permitted, caps.effective, caps.inheritable, 0);
    }
    if let Some(ambient) = wanted.ambient {
        end.ambient = ambient;
        end.i |= ambient;
    }
    if wanted.trim_bounding && was.p & SETPCAP != 0 {
        end.bounding &= end.p | end.i;
    }
    end.securebits = wanted.securebits.unwrap_or(was.securebits) & !KEEP;
    end.no_new_privs |= wanted.no_new_privs;
    end
}

fn carry_out(plan: &Plan, order: PlanKind, target: &Target, was: &Thread, say: &dyn Fn() -> String) -> Thread {
    let mut now = *was;
    let final_sets = plan.goal.caps;
    for (at, step) in plan.steps().enumerate() {
        if at == plan.reversible() {
            for probe in plan.probes() {
                now.probe(probe).unwrap_or_else(|what| panic!("{what} is refused as {probe:?}: {}", say()));
            }
        }
        let before = now;
        if let Err(what) = now.step(step) {
            panic!("{what} is refused at {step}: {}", say());
        }
        let is_proof = order == PlanKind::Follower && step == Step::CapSet(final_sets);
        assert!(now != before || is_proof, "{step} does nothing: {}", say());
        if order == PlanKind::Caller && at < plan.reversible() {
            assert!(before.can_return_from(&now), "{step} cannot be undone: {}", say());
        }
        let bounds = matches!(step, Step::DropBounding(_) | Step::NoNewPrivs);
        assert!(!bounds || at >= plan.reversible(), "{step} counts as one that can be undone: {}", say());
    }
    let last_capset = plan.steps().filter(|step| matches!(step, Step::WorkingSets(_) | Step::CapSet(_))).last();
    if order == PlanKind::Follower && target.caps != TargetCaps::Keep {
        let proof = matches!(last_capset, Some(Step::WorkingSets(caps) | Step::CapSet(caps)) if caps == final_sets);
        assert!(proof, "no capset of the final sets: {}", say());
    }
    now
}

/// How many system calls a plan takes.
fn calls(plan: &Plan) -> u32 {
    let each = |step| match step {
        Step::DropBounding(mask) | Step::LowerAmbient(mask) | Step::RaiseAmbient(mask) => mask.count_ones(),
        _ => 1,
    };
    plan.steps().map(each).sum()
}

/// Whether what a refusal says is so.
fn is_true(refusal: &Refusal, wanted: &Target, was: &Thread) -> bool {
    let end = expected(wanted, was);
    let known = (1 << (LAST_CAP + 1)) - 1;
    let changed = was.securebits ^ end.securebits;
    let frozen = was.securebits & LOCKS | (was.securebits & LOCKS) >> 1;
    match *refusal {
        Refusal::KernelLacks { missing, last_cap } => {
            missing != 0 && missing == (end.p | end.e | end.i) & !known && last_cap == LAST_CAP
        }
        Refusal::EffectiveOutsidePermitted { outside } => outside != 0 && outside == end.e & !end.p,
        Refusal::NotHeld { missing } => missing != 0 && missing == end.p & !was.p,
        Refusal::InheritableNotAllowed { outside } => {
            let allowed = if was.p & SETPCAP != 0 { was.i | was.bounding } else { was.i | (was.p & was.bounding) };
            outside != 0 && outside == end.i & !allowed
        }
        Refusal::AmbientNotPermitted { outside } => outside != 0 && outside == end.ambient & !end.p,
        Refusal::AmbientRaiseOff { missing } => {
            let cleared = was.securebits & FIXUP_OFF == 0 && was.uid.contains(&0) && !end.uid.contains(&0);
            let there = if cleared { 0 } else { was.ambient };
            was.securebits & NO_RAISE != 0 && missing != 0 && missing == end.ambient & !there
        }
        Refusal::SecurebitsLocked { held, wanted } => {
            held == was.securebits && wanted == end.securebits && changed & frozen != 0
        }
        Refusal::KeepCapsLockedOn => changed == KEEP && was.securebits & (KEEP << 1) != 0,
        Refusal::SecurebitsNeedSetpcap { held, wanted } => {
            held == was.securebits && wanted == end.securebits && changed & !(KEEP | 0xf00) != 0 && was.p & SETPCAP == 0
        }
        Refusal::KeepCapsLockedOff { lost } => {
            lost != 0
                && lost == end.p
                && was.securebits & (KEEP << 1 | KEEP | FIXUP_OFF) == KEEP << 1
                && was.uid.contains(&0)
                && !end.uid.contains(&0)
        }
        Refusal::CannotTrim { left } => {
            wanted.require_trim && was.p & SETPCAP == 0 && left != 0 && left == was.bounding & !(end.p | end.i)
        }
        Refusal::RootNeedsSysChroot => !was.root_as_wanted && was.p & SYS_CHROOT == 0,
        Refusal::GroupsNeedSetgid => !was.groups_as_wanted && was.p & SETGID == 0,
        Refusal::GidNeedsSetgid { gid } => wanted.gid == Some(gid) && !was.gid.contains(&gid) && was.p & SETGID == 0,
        Refusal::UidNeedsSetuid { uid } => wanted.uid == Some(uid) && !was.uid.contains(&uid) && was.p & SETUID == 0,
    }
}

#[test]
fn plans_keep_their_word_on_a_model_of_the_kernel() {
    const CASES: u32 = if cfg!(miri) { 400 } else { 400_000 };
    let mut chance = Chance(0x1ec5_ec5e_c5ec_5ec5);
    let (mut planned, mut shorter, mut refusals) = (0u32, 0u32, [0u32; 16]);
    for case in 0..CASES {
        let caller = chance.thread();
        let asked = chance.wanted(&caller);
        let wanted = asked.resolve_for_caller(&caller.held());
        // The caller itself, or a thread that holds something else.
        let thread = if chance.one_in(3) { chance.thread() } else { caller };
        let say = || format!("case {case}: {wanted:?}\n{thread:?}");
        let follower = plan(&wanted, &thread.held(), PlanKind::Follower);
        let shortest = plan(&wanted, &thread.held(), PlanKind::FilteredFollower);
        match plan(&wanted, &thread.held(), PlanKind::Caller) {
            Ok(found) => {
                planned += 1;
                let end = carry_out(&found, PlanKind::Caller, &wanted, &thread, &say);
                assert_eq!(end, expected(&wanted, &thread), "{}", say());
                let shortest = shortest.unwrap_or_else(|refusal| panic!("{refusal}: {}", say()));
                let carried = carry_out(&shortest, PlanKind::FilteredFollower, &wanted, &thread, &say);
                assert_eq!(carried, end, "{}", say());
                let follower = follower.unwrap_or_else(|refusal| panic!("{refusal}: {}", say()));
                assert_eq!(carry_out(&follower, PlanKind::Follower, &wanted, &thread, &say), end, "{}", say());
                assert!(calls(&follower) <= calls(&shortest) + 1, "{}", say());
                assert_eq!(shortest.goal, found.goal, "{}", say());
                assert!(calls(&shortest) <= calls(&found), "{}", say());
                shorter += u32::from(calls(&shortest) < calls(&found));
                assert_eq!(end.held(), found.goal, "{}", say());
                assert_eq!(first_mismatch(&found.goal, &end.held()), None, "{}", say());
                assert_eq!(found.dropped(), thread.bounding & !end.bounding, "{}", say());
                // CAP_SETPCAP is for what comes last, unless all has to come first.
                if let Some(Step::RaiseEffective(caps)) = found.steps().next()
                    && thread.securebits & (KEEP << 1) == 0
                {
                    assert_eq!(caps.effective & SETPCAP, thread.e & SETPCAP, "{}", say());
                }
                // The promise, in so many words.
                assert_eq!(end.securebits & KEEP, 0, "keep-caps is on: {}", say());
                assert_eq!(end.ambient & !(end.p & end.i), 0, "{}", say());
                if thread == caller
                    && let TargetCaps::Exactly(_) = wanted.caps
                    && wanted.trim_bounding
                    && caller.p & SETPCAP != 0
                {
                    assert_eq!(end.bounding & !(end.p | end.i), 0, "bounding is not trimmed: {}", say());
                }
                // Asking for what is so already takes no call, and succeeds.
                match plan(&wanted, &end.held(), PlanKind::Caller) {
                    Ok(again) => assert_eq!(again.steps().len(), 0, "{}", say()),
                    Err(refusal) => panic!("refused the second time ({refusal}): {}", say()),
                }
            }
            Err(refusal) => {
                assert_eq!(shortest, Err(refusal), "{}", say());
                assert_eq!(follower, Err(refusal), "{}", say());
                assert!(is_true(&refusal, &wanted, &thread), "not true: {refusal:?}: {}", say());
                // Before all else, or the reader would look for what took a capability away that never was.
                let end = expected(&wanted, &thread);
                let lacks = (end.p | end.e | end.i) & LACKING != 0;
                assert_eq!(kind(&refusal) == 0, lacks, "{refusal:?}: {}", say());
                refusals[kind(&refusal)] += 1;
            }
        }
    }
    assert!(planned > CASES / 5, "only {planned} of {CASES} cases have a plan");
    assert!(shorter > planned / 20, "only {shorter} of {planned} plans are shorter where nothing need be undone");
    let never: Vec<usize> = (0..KINDS).filter(|&kind| refusals[kind] < 20).collect();
    assert!(cfg!(miri) || never.is_empty(), "refusals that hardly occur: {never:?} of {refusals:?}, {planned} planned");
}

const KINDS: usize = 15;

fn kind(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::KernelLacks { .. } => 0,
        Refusal::EffectiveOutsidePermitted { .. } => 1,
        Refusal::NotHeld { .. } => 2,
        Refusal::InheritableNotAllowed { .. } => 3,
        Refusal::AmbientNotPermitted { .. } => 4,
        Refusal::AmbientRaiseOff { .. } => 5,
        Refusal::SecurebitsLocked { .. } => 6,
        Refusal::KeepCapsLockedOn => 7,
        Refusal::SecurebitsNeedSetpcap { .. } => 8,
        Refusal::KeepCapsLockedOff { .. } => 9,
        Refusal::CannotTrim { .. } => 10,
        Refusal::RootNeedsSysChroot => 11,
        Refusal::GroupsNeedSetgid => 12,
        Refusal::GidNeedsSetgid { .. } => 13,
        Refusal::UidNeedsSetuid { .. } => 14,
    }
}

/// Everything is kept, but for no_new_privs.
const NOTHING: Target = Target {
    uid: None,
    gid: None,
    groups: false,
    caps: TargetCaps::Keep,
    optional: CapSets::EMPTY,
    ambient: None,
    trim_bounding: false,
    require_trim: false,
    securebits: None,
    no_new_privs: true,
    keep_parent_death_signal: false,
    keep_dumpable: false,
    last_cap: LAST_CAP,
    overflow_uid: None,
    overflow_gid: None,
};

/// What optional capabilities come to, by a table of their own: held to what is retained and what is ambient.
#[test]
fn optional_capabilities_are_those_held() {
    let caps = |permitted, effective, inheritable| CapSets { effective, permitted, inheritable };
    let base = Target {
        caps: TargetCaps::Exactly(caps(1, 1, 0)),
        optional: caps(0b110, 0b010, 0b010),
        ambient: Some(0b011),
        trim_bounding: true,
        ..NOTHING
    };
    for (held, permitted, effective, inheritable, ambient) in
        [(0b111, 0b111, 0b011, 0b010, 0b011), (0b001, 0b001, 0b001, 0, 0b001), (0b101, 0b101, 0b001, 0, 0b001)]
    {
        let mut caller = Chance(1).thread();
        caller.p = held;
        let settled = base.resolve_for_caller(&caller.held());
        assert_eq!(settled.caps, TargetCaps::Exactly(caps(permitted, effective, inheritable)), "{held:b}");
        assert_eq!(settled.ambient, Some(ambient), "{held:b}");
        assert_eq!(settled.optional, CapSets::EMPTY);
        assert!(!settled.require_trim);
        caller.p |= SETPCAP;
        assert!(base.resolve_for_caller(&caller.held()).require_trim);
        assert!(!Target { trim_bounding: false, ..base }.resolve_for_caller(&caller.held()).require_trim);
    }
}

/// And as the step that would have made it so.
#[test]
fn every_field_that_differs_is_told() {
    let goal = Credentials {
        groups_as_wanted: true,
        root_as_wanted: true,
        cwd_as_wanted: true,
        bounding: 0b0110,
        ambient: 0b0110,
        ..Chance(7).thread().held()
    };
    let (caps, uid, gid) = (goal.caps, Step::SetResUid(goal.uids[0]), Step::SetResGid(goal.gids[0]));
    let (capset, securebits) = (Step::CapSet(caps), Step::SecureBits(goal.securebits));
    let changed = [
        (Credentials { uids: [goal.uids[0], 1, 2, 3], ..goal }, uid),
        (Credentials { uids: [goal.uids[0], goal.uids[1], goal.uids[2], 77], ..goal }, uid),
        (Credentials { gids: [9, goal.gids[1], goal.gids[2], goal.gids[3]], ..goal }, gid),
        (Credentials { gids: [goal.gids[0], goal.gids[1], goal.gids[2], 77], ..goal }, gid),
        (Credentials { groups_as_wanted: false, ..goal }, Step::SetGroups),
        (Credentials { root_as_wanted: false, ..goal }, Step::Chroot),
        (Credentials { cwd_as_wanted: false, ..goal }, Step::ChangeDirectory),
        (Credentials { caps: CapSets { effective: caps.effective ^ 1, ..caps }, ..goal }, capset),
        (Credentials { caps: CapSets { permitted: caps.permitted ^ 1, ..caps }, ..goal }, capset),
        (Credentials { caps: CapSets { inheritable: caps.inheritable ^ 1, ..caps }, ..goal }, capset),
        (Credentials { bounding: 0b1100, ..goal }, Step::DropBounding(0b1000)),
        (Credentials { ambient: 0b1100, ..goal }, Step::LowerAmbient(0b1000)),
        (Credentials { ambient: 0b0100, ..goal }, Step::RaiseAmbient(0b0010)),
        (Credentials { securebits: goal.securebits ^ 1, ..goal }, securebits),
        (Credentials { no_new_privs: !goal.no_new_privs, ..goal }, Step::NoNewPrivs),
    ];
    assert_eq!(first_mismatch(&goal, &goal), None);
    for (found, step) in changed {
        assert_eq!(first_mismatch(&goal, &found), Some(step), "{found:?}");
    }
}

/// include/uapi/linux/securebits.h: bit 2n is a flag, bit 2n+1 locks it.
#[test]
fn securebits_have_their_bits_and_locks() {
    let flags = [
        "noroot",
        "no_setuid_fixup",
        "keep_caps",
        "no_cap_ambient_raise",
        "exec_restrict_file",
        "exec_deny_interactive",
    ];
    for (at, flag) in flags.iter().enumerate() {
        assert_eq!(SECUREBITS[2 * at], (*flag, 4u32.pow(at as u32)));
        assert_eq!(SECUREBITS[2 * at + 1].0, format!("{flag}_locked"));
        assert_eq!(SECUREBITS[2 * at + 1].1, 2 * 4u32.pow(at as u32));
    }
    assert_eq!(SECUREBITS.len(), 12);
}

#[test]
fn steps_say_what_they_are() {
    let sets = CapSets { effective: 0, permitted: 1, inheritable: 0 };
    let table = [
        (Step::RaiseEffective(sets), "capset (raising the effective set)"),
        (Step::Chroot, "chroot"),
        (Step::ChangeDirectory, "chdir to the root directory"),
        (Step::SetGroups, "setgroups"),
        (Step::SetResGid(7), "setresgid(7, 7, 7)"),
        (Step::KeepCaps(true), "prctl(PR_SET_KEEPCAPS, 1)"),
        (Step::SetResUid(8), "setresuid(8, 8, 8)"),
        (Step::WorkingSets(sets), "capset (sets for the remaining steps)"),
        (Step::DropBounding(1), "prctl(PR_CAPBSET_DROP) of cap_chown"),
        (Step::ClearAmbient, "prctl(PR_CAP_AMBIENT_CLEAR_ALL)"),
        (Step::LowerAmbient(1), "prctl(PR_CAP_AMBIENT_LOWER) of cap_chown"),
        (Step::RaiseAmbient(1), "prctl(PR_CAP_AMBIENT_RAISE) of cap_chown"),
        (Step::SecureBits(NOROOT), "prctl(PR_SET_SECUREBITS, 0x1)"),
        (Step::SecureBits(NOROOT | NOROOT << 1), "prctl(PR_SET_SECUREBITS, 0x3)"),
        (Step::CapSet(sets), "capset (final sets)"),
        (Step::NoNewPrivs, "prctl(PR_SET_NO_NEW_PRIVS)"),
        (Step::ReadBack, "reading the state back"),
        (Step::ParentDeathSignal(15), "prctl(PR_SET_PDEATHSIG, 15)"),
        (Step::Dumpable, "prctl(PR_SET_DUMPABLE, 1)"),
    ];
    for (step, text) in table {
        assert_eq!(step.to_string(), text, "{step:?}");
    }
}

#[test]
fn refusals_of_identity_are_told_from_those_of_capabilities() {
    let identity = [
        Refusal::RootNeedsSysChroot,
        Refusal::GroupsNeedSetgid,
        Refusal::GidNeedsSetgid { gid: 1 },
        Refusal::UidNeedsSetuid { uid: 1 },
    ];
    let others = [Refusal::NotHeld { missing: 1 }, Refusal::KeepCapsLockedOn, Refusal::CannotTrim { left: 1 }];
    assert!(identity.iter().all(Refusal::is_identity_change));
    assert!(!others.iter().any(Refusal::is_identity_change));
}

/// user_namespaces(7): an id that has none here is shown as the overflow id. So to be shown as what is wanted is no reason to leave a
/// step out, and what is shown so is not put back.
#[test]
fn an_overflow_id_is_no_evidence() {
    const OVERFLOW: u32 = 65534;
    let mut nobody = Chance(3).thread();
    (nobody.uid, nobody.fsuid, nobody.gid, nobody.fsgid) = ([OVERFLOW; 3], OVERFLOW, [OVERFLOW; 3], OVERFLOW);
    (nobody.groups_as_wanted, nobody.root_as_wanted, nobody.cwd_as_wanted) = (true, true, true);
    (nobody.p, nobody.e, nobody.i, nobody.ambient, nobody.bounding) = (0, 0, 0, 0, 0);
    (nobody.securebits, nobody.no_new_privs) = (0, true);
    let wanted = |uid| Target { uid: Some(uid), gid: Some(uid), groups: true, ..NOTHING };
    let steps_of = |target: &Target, held: &Credentials| {
        let plan = plan(target, held, PlanKind::Caller).expect("a plan");
        (plan.steps().collect::<Vec<_>>(), plan.reversible(), plan.must_be_rehearsed())
    };
    let known = wanted(OVERFLOW);
    assert_eq!(steps_of(&known, &nobody.held()), (vec![], 0, false));
    let set = |id| vec![Step::SetResGid(id), Step::SetResUid(id)];
    let ambiguous = Target { overflow_uid: Some(OVERFLOW), overflow_gid: Some(OVERFLOW), ..known };
    // Without CAP_SETUID too: who has the id may set it.
    assert_eq!(steps_of(&ambiguous, &nobody.held()), (set(OVERFLOW), 0, true));
    let uid_alone = Target { overflow_gid: None, ..ambiguous };
    assert_eq!(steps_of(&uid_alone, &nobody.held()), (vec![Step::SetResUid(OVERFLOW)], 0, true));

    (nobody.p, nobody.e) = (SETUID | SETGID, SETUID | SETGID);
    assert_eq!(steps_of(&wanted(1000), &nobody.held()), (set(1000), 2, false));
    let ambiguous = Target { overflow_uid: Some(OVERFLOW), overflow_gid: Some(OVERFLOW), ..wanted(1000) };
    assert_eq!(steps_of(&ambiguous, &nobody.held()), (set(1000), 0, true));

    // Who is not shown as the overflow id is as it is shown.
    (nobody.uid, nobody.fsuid, nobody.gid, nobody.fsgid) = ([1000; 3], 1000, [1000; 3], 1000);
    assert_eq!(steps_of(&ambiguous, &nobody.held()), (vec![], 0, false));
    nobody.groups_as_wanted = false;
    assert_eq!(steps_of(&ambiguous, &nobody.held()), (vec![Step::SetGroups], 1, false));
    let groups = Credentials { groups_can_return: false, ..nobody.held() };
    assert_eq!(steps_of(&ambiguous, &groups), (vec![Step::SetGroups], 0, true));
}
