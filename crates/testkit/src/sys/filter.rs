//! A system that refuses.
//!
//! # Safety
//!
//! [`refuse`] is safe to call: a filter is copied by the kernel, and takes nothing but calls away.
#![expect(unsafe_code, reason = "seccomp has no safe form")]

use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};

/// Has the system refuse a call, by its number, to this process and to all that it starts from now on.
///
/// The call fails with `EPERM`, as in a sandbox.
///
/// # Panics
///
/// If the kernel does not take filters.
///
/// # References
///
/// - Linux `seccomp(2)`
pub fn refuse(call: libc::c_long) {
    let code = |bits: u32| u16::try_from(bits).expect("it has 16 bits");
    let call = u32::try_from(call).expect("the number of a call");
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        // The number of the call is what the kernel says of it first.
        step(code(BPF_LD | BPF_W | BPF_ABS), 0, 0, 0),
        step(code(BPF_JMP | BPF_JEQ | BPF_K), 0, 1, call),
        step(code(BPF_RET | BPF_K), 0, 0, refused),
        step(code(BPF_RET | BPF_K), 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    // SAFETY: no pointers are passed.
    let gives_up = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    // SAFETY: the filter is as long as it says, and the kernel copies it.
    let filtered = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    assert_eq!((gives_up, filtered), (0, 0), "the kernel takes filters");
}
