//! Alarms that interrupt a process all the time.

/// Lets a signal without `SA_RESTART` interrupt this process all the time.
#[expect(unsafe_code, reason = "sets a signal handler and a timer")]
#[expect(clippy::fn_to_numeric_cast_any, reason = "that is what the system call takes")]
pub(crate) fn bombard() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: zeros are a valid `sigaction`.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: both pointers are good, and the handler does nothing.
    let set = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    let every = libc::timeval { tv_sec: 0, tv_usec: 150 };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: both pointers are good.
    let set = unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}
