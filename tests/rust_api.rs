//! The crate for a program of Rust: Policy, CapSets, Error, Status; what the documentation of lib.rs shows.

use std::{env, fs, process::Command, thread, time::Duration};

use ec_security::{CapSets, Error, Policy, Status};

#[test]
fn sets_are_parsed() {
    let caps: CapSets = "cap_net_bind_service+ep".parse().expect("the text is right");
    assert_eq!((caps.effective, caps.permitted, caps.inheritable), (1 << 10, 1 << 10, 0));
    let error = "cap_net_bnd_service+ep".parse::<CapSets>().expect_err("the name is wrong");
    assert!(error.to_string().contains("cap_net_bind_service"), "{error}");
}

#[test]
fn an_error_has_a_status_and_a_message() {
    let error = Policy::new().and_then(|mut policy| policy.set(b"usr", Some(b"root"))).expect_err("no such option");
    assert_eq!(error.status(), Status::Option);
    assert!(error.to_string().contains("\"usr\"") && error.to_string().contains("user"), "{error}");
    // It goes into the boxes of others, and across threads.
    let _boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
}

fn become_nobody_capable() -> Result<(), Error> {
    let mut policy = Policy::new()?;
    policy.set(b"capabilities", None)?;
    policy.check()?;
    policy.apply()
}

/// In a child, since it changes the whole process.
#[test]
fn every_thread_is_changed() {
    if env::var_os("EC_SECURITY_CHILD").is_none() {
        let child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "every_thread_is_changed", "--nocapture"])
            .env("EC_SECURITY_CHILD", "1")
            .output()
            .expect("this program can be started");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        return;
    }
    for _ in 0..3 {
        thread::spawn(|| thread::sleep(Duration::from_secs(60)));
    }
    become_nobody_capable().expect("whoever has capabilities may drop them");
    let mut threads = 0;
    for task in fs::read_dir("/proc/self/task").expect("there is /proc") {
        let status = fs::read_to_string(task.expect("a thread").path().join("status")).expect("a thread that stays");
        for field in ["CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n"] {
            assert!(status.contains(field), "{status}");
        }
        threads += 1;
    }
    assert!(threads >= 4, "{threads} threads");
}
