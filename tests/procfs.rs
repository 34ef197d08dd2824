//! The parser of /proc/PID/stat and /proc/PID/status, on real texts of several kernels and on what may go wrong.

use ec_security::procfs::{Stat, State, Status, StatusParser, decimal, hexadecimal};

const NEW: &str = "Name:\tser ver:\\n\\\\\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t700\nNgid:\t0\nPid:\t702\nPPid:\t1\n\
    TracerPid:\t9\nUid:\t0\t998\t997\t4294967295\nGid:\t996\t995\t994\t993\nFDSize:\t64\nGroups:\t4 24 4294967295 \n\
    NStgid:\t700\nNSpid:\t702\nKthread:\t0\nVmPeak:\t    2928 kB\nThreads:\t11\nSigQ:\t2/96551\nSigPnd:\t0000000100000000\n\
    ShdPnd:\t0000000000000002\nSigBlk:\tfffffffe7ffbfeff\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n\
    CapInh:\t0000000000000001\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000002\nCapBnd:\t000001fffeffffff\n\
    CapAmb:\t0000000000000004\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n\
    Speculation_Store_Bypass:\tthread vulnerable\nMems_allowed:\t00000000,00000000,00000000,00000000,00000000,00000000,\
    00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000001\n\
    Mems_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t1\n";

// Linux 3.2, from before PR_CAP_AMBIENT and the line NoNewPrivs.
const OLD: &str = "Name:\tcat\nState:\tR (running)\nTgid:\t4321\nPid:\t4321\nPPid:\t4300\nTracerPid:\t0\n\
    Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nFDSize:\t256\nGroups:\t24 25 1000 \nVmPeak:\t    4100 kB\n\
    Threads:\t1\nSigQ:\t0/15910\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\nSigBlk:\t0000000000000000\n\
    SigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
    CapEff:\t0000000000000000\nCapBnd:\tffffffffffffffff\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n";

// gVisor, which has none of NoNewPrivs, CapAmb, SigBlk, SigQ.
const GVISOR: &str = "Name:\tsh\nState:\tR (running)\nTgid:\t1\nPid:\t1\nPPid:\t0\nTracerPid:\t0\nUid:\t0\t0\t0\t0\n\
    Gid:\t0\t0\t0\t0\nFDSize:\t4\nGroups:\t \nVmSize:\t4100 kB\nVmRSS:\t900 kB\nThreads:\t1\nCapInh:\t0000000000000000\n\
    CapPrm:\t00000000a80405fb\nCapEff:\t00000000a80405fb\nCapBnd:\t00000000a80405fb\nSeccomp:\t0\nMems_allowed:\t1\n\
    Mems_allowed_list:\t0\n";

fn groups_of(text: &str) -> (Status, Vec<u32>) {
    let mut groups = Vec::new();
    let status = Status::parse_with_groups(text.as_bytes(), |group| groups.push(group));
    (status, groups)
}

fn expect_new(status: &Status) {
    assert_eq!(status.name.expect("a name").as_bytes(), b"ser ver:\n\\");
    assert_eq!(status.state, Some(State(b'S')));
    assert_eq!((status.tgid, status.pid, status.ppid, status.tracer), (Some(700), Some(702), Some(1), Some(9)));
    assert_eq!(status.uids, Some([0, 998, 997, u32::MAX]));
    assert_eq!(status.gids, Some([996, 995, 994, 993]));
    assert_eq!((status.groups, status.threads), (Some(3), Some(11)));
    assert_eq!(status.queued, Some([2, 96_551]));
    assert_eq!((status.pending, status.shared_pending), (Some(1 << 32), Some(2)));
    assert_eq!(status.blocked, Some(0xffff_fffe_7ffb_feff));
    let caps = status.caps().expect("three sets");
    assert_eq!((caps.inheritable, caps.permitted, caps.effective), (1, 0x400, 2));
    assert_eq!((status.bounding, status.ambient), (Some(0x1ff_feff_ffff), Some(4)));
    assert_eq!((status.no_new_privs, status.seccomp), (Some(true), Some(2)));
}

#[test]
fn every_field_of_a_new_kernel() {
    let (status, groups) = groups_of(NEW);
    expect_new(&status);
    assert_eq!(groups, [4, 24, u32::MAX]);
}

#[test]
fn pieces_of_any_size() {
    for size in [1, 2, 3, 7, 64, 143, 144, 145, NEW.len()] {
        let mut groups = Vec::new();
        let mut parser = StatusParser::new();
        for piece in NEW.as_bytes().chunks(size) {
            parser.feed(piece, |group| groups.push(group));
        }
        expect_new(&parser.status());
        assert_eq!(groups, [4, 24, u32::MAX], "pieces of {size}");
    }
}

#[test]
fn lines_that_a_kernel_lacks() {
    let (old, groups) = groups_of(OLD);
    assert_eq!((old.ambient, old.no_new_privs, old.seccomp), (None, None, None));
    assert_eq!((old.bounding, old.tgid), (Some(u64::MAX), Some(4321)));
    assert_eq!(groups, [24, 25, 1000]);
    let (gvisor, groups) = groups_of(GVISOR);
    assert_eq!((gvisor.ambient, gvisor.no_new_privs, gvisor.blocked, gvisor.queued), (None, None, None, None));
    assert_eq!((gvisor.permitted, gvisor.seccomp, gvisor.groups), (Some(0xa804_05fb), Some(0), Some(0)));
    assert_eq!(groups, []);
    assert!(Status::parse(b"").caps().is_none());
}

#[test]
fn every_field_may_be_missing() {
    for field in NEW.lines() {
        let field = field.split_inclusive(':').next().expect("a field");
        let without: String = NEW.split_inclusive('\n').filter(|line| !line.starts_with(field)).collect();
        let status = Status::parse(without.as_bytes());
        let missing = [
            ("Name:", status.name.is_none()),
            ("State:", status.state.is_none()),
            ("Tgid:", status.tgid.is_none()),
            ("Pid:", status.pid.is_none()),
            ("PPid:", status.ppid.is_none()),
            ("TracerPid:", status.tracer.is_none()),
            ("Uid:", status.uids.is_none()),
            ("Gid:", status.gids.is_none()),
            ("Groups:", status.groups.is_none()),
            ("Threads:", status.threads.is_none()),
            ("SigQ:", status.queued.is_none()),
            ("SigPnd:", status.pending.is_none()),
            ("ShdPnd:", status.shared_pending.is_none()),
            ("SigBlk:", status.blocked.is_none()),
            ("CapInh:", status.inheritable.is_none()),
            ("CapPrm:", status.permitted.is_none()),
            ("CapEff:", status.effective.is_none()),
            ("CapBnd:", status.bounding.is_none()),
            ("CapAmb:", status.ambient.is_none()),
            ("NoNewPrivs:", status.no_new_privs.is_none()),
            ("Seccomp:", status.seccomp.is_none()),
        ];
        for (name, is_missing) in missing {
            assert_eq!(is_missing, name == field, "{name} without {field}");
        }
    }
}

#[test]
fn garbled_values_are_none() {
    let status = |from: &str, to: &str| {
        assert!(NEW.contains(from), "{from}");
        Status::parse(NEW.replace(from, to).as_bytes())
    };
    assert_eq!(status("997\t4294967295", "997").uids, None);
    assert_eq!(status("4294967295\nGid", "4294967296\nGid").uids, None);
    assert_eq!(status("\t700\n", "\t-7\n").tgid, None);
    assert_eq!(status("\t700\n", "\t2147483648\n").tgid, None);
    assert_eq!(status("\t700\n", "\t\n").tgid, None);
    assert_eq!(status("000001fffeffffff", "zz").bounding, None);
    assert_eq!(status("000001fffeffffff", "1000001fffeffffff").bounding, None);
    assert_eq!(status("2/96551", "2").queued, None);
    assert_eq!(status("2/96551", "2/").queued, None);
    assert_eq!(status("2/96551", "/2").queued, None);
    for wrong in ["4 x 24", "4 -24", "4 4294967296", "4 24x"] {
        let status = status("4 24 4294967295", wrong);
        assert_eq!(status.groups, None, "{wrong}");
        assert_eq!((status.threads, status.seccomp), (Some(11), Some(2)), "what follows {wrong}");
    }
}

#[test]
fn a_name_forges_no_line() {
    // As the kernel escapes it.
    for name in ["Uid:", "\\nUid:\\t1\\t1\\t1\\t1", "a\\\\nGroups: 1", "Groups:\t1 2", "(x) Z 1"] {
        let status = Status::parse(NEW.replacen("ser ver:\\n\\\\", name, 1).as_bytes());
        assert_eq!((status.uids, status.groups), (Some([0, 998, 997, u32::MAX]), Some(3)), "{name}");
        assert_eq!(status.state, Some(State(b'S')), "{name}");
    }
    let name = |text: &str| Status::parse(text.as_bytes()).name.expect("a name").as_bytes().to_vec();
    assert_eq!(name("Name:\t a \n"), b" a ");
    assert_eq!(name("Name:\t\n"), b"");
    assert_eq!(name("Name:\ta\\\n"), b"a\\");
    // A kernel thread's is 63 bytes long, each of which may be escaped; more than the buffer has is cut.
    assert_eq!(name(&format!("Name:\t{}\n", "\\\\".repeat(63))), "\\".repeat(63).as_bytes());
    assert_eq!(name(&format!("Name:\t{}\n", "x".repeat(900))), "x".repeat(64).as_bytes());
}

#[test]
fn a_line_without_its_end_is_not_taken() {
    // 4294967295 cut after 42 is another group, and a mask cut is another mask.
    let cut = |at: &str| Status::parse(&NEW.as_bytes()[..NEW.find(at).expect("is there") + at.len()]);
    assert_eq!(cut("CapBnd:\t000001ff").bounding, None);
    let mut groups = Vec::new();
    let end = NEW.find("Groups:\t4 24 42").expect("is there") + "Groups:\t4 24 42".len();
    Status::parse_with_groups(&NEW.as_bytes()[..end], |group| groups.push(group));
    assert_eq!(groups, [4, 24]);
}

#[test]
fn stat_behind_any_name() {
    let parsed = |text: &'static [u8]| Stat::parse(text).map(|stat| (stat.name, stat.state.0, stat.flags));
    assert_eq!(parsed(b"7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2"), Some((&b"a) b) (c"[..], b'S', 4_194_560)));
    assert_eq!(parsed(b"7 (\n) R 1\n) Z 1 7 7 0 -1 16400 0"), Some((&b"\n) R 1\n"[..], b'Z', 0x4010)));
    assert_eq!(parsed(b"7 () S 1 7 7 0 -1 0 0"), Some((&b""[..], b'S', 0)));
    let start_time = |text: &'static [u8]| Stat::parse(text).expect("a stat file").start_time;
    assert_eq!(start_time(b"7 (x) S 1 7 7 0 -1 0 10 11 12 13 14 15 16 17 18 19 20 21 4711 23"), Some(4711));
    assert_eq!(start_time(b"7 (x) S 1 7 7 0 -1 0 10 11 12 13 14 15 16 17 18 19 20 21"), None);
    for wrong in [&b""[..], b"7", b"7 (x", b"7 x)", b"7 )x(", b"7 (x) S 1", b"7 (x) S 1 7 7 0 -1 x 0", b"7 (x)"] {
        assert_eq!(Stat::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn kinds_of_kernel_workers() {
    let kind = |text: &'static [u8], wchan: &[u8]| {
        let stat = Stat::parse(text).expect("a stat file");
        (stat.is_kernel_worker(), stat.takes_credentials_of_requests(wchan))
    };
    assert_eq!(kind(b"7 (iou-wrk-1) S 1 7 7 0 -1 16400 0", b"io_wq_worker"), (true, true));
    assert_eq!(kind(b"7 (iou-wrk-1) R 1 7 7 0 -1 16 0", b"0"), (true, true));
    assert_eq!(kind(b"7 (iou-wrk-1) R 1 7 7 0 -1 16400 0", b""), (true, true));
    assert_eq!(kind(b"7 (iou-sqp-1) S 1 7 7 0 -1 16 0", b"0"), (true, false));
    assert_eq!(kind(b"7 (vhost-1) S 1 7 7 0 -1 16384 0", b"vhost_task_fn"), (true, false));
    // A name can be given by the process.
    assert_eq!(kind(b"7 (iou-wrk-1) S 1 7 7 0 -1 16400 0", b"io_sq_thread"), (true, false));
    assert_eq!(kind(b"7 (iou-wrk-1) R 1 7 7 0 -1 16384 0", b"0"), (true, false));
    assert_eq!(kind(b"7 (iou-wrk-1) S 1 7 7 0 -1 4194560 0", b"0"), (false, false));
    let is_kernel_thread = |text: &'static [u8]| Stat::parse(text).expect("a stat file").is_kernel_thread();
    assert!(is_kernel_thread(b"2 (kthreadd) S 0 0 0 0 -1 2129984 0"));
    assert!(!is_kernel_thread(b"7 (kthreadd) S 1 7 7 0 -1 4194560 0"));
    for (letter, ended) in [(b'R', false), (b'S', false), (b'T', false), (b'Z', true), (b'X', true), (b'x', true)] {
        assert_eq!(State(letter).has_ended(), ended);
    }
}

#[test]
fn numbers() {
    for (text, decimal_value, hexadecimal_value) in [
        ("", None, None),
        ("0", Some(0), Some(0)),
        ("000012", Some(12), Some(0x12)),
        ("18446744073709551615", Some(u64::MAX), None),
        ("18446744073709551616", None, None),
        ("99999999999999999999", None, None),
        ("ffffffffffffffff", None, Some(u64::MAX)),
        ("0ffffffffffffffff", None, Some(u64::MAX)),
        ("10000000000000000", Some(10_000_000_000_000_000), None),
        ("aF", None, Some(0xaf)),
        ("+1", None, None),
        ("-1", None, None),
        (" 1", None, None),
        ("1 ", None, None),
        ("0x1", None, None),
        ("g", None, None),
        (":", None, None),
        ("/", None, None),
    ] {
        assert_eq!(decimal(text.as_bytes()), decimal_value, "{text:?}");
        assert_eq!(hexadecimal(text.as_bytes()), hexadecimal_value, "{text:?}");
    }
}

#[test]
fn the_running_kernel_fills_every_field() {
    let status = Status::parse(&std::fs::read("/proc/thread-self/status").expect("/proc is there"));
    let stat = std::fs::read("/proc/thread-self/stat").expect("/proc is there");
    let stat = Stat::parse(&stat).expect("a stat file");
    assert_eq!(status.tgid, i32::try_from(std::process::id()).ok());
    assert_eq!(status.name.expect("a name").as_bytes(), stat.name);
    assert_eq!(status.state, Some(stat.state));
    assert!(status.caps().is_some() && status.bounding.is_some() && status.groups.is_some());
    assert!(status.uids.is_some() && status.gids.is_some() && status.blocked.is_some() && status.queued.is_some());
}
