import type { Architecture } from './machine.ts'

/** One rule of a profile (OCI runtime specification, config-linux, "Seccomp"). */
interface SeccompRule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  readonly errnoRet?: number
  readonly args?: readonly {
    readonly index: number
    readonly value: number
    readonly valueTwo?: number
    readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ'
  }[]
}

/** The system calls that programs in a container may make. */
export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO'
  readonly defaultErrnoRet: number
  readonly architectures: readonly string[]
  readonly syscalls: readonly SeccompRule[]
}

const EPERM = 1
const ENOSYS = 38

const words = (text: string): string[] => text.trim().split(/\s+/)

/**
 * What scientific programs need, by subject. Left out on purpose, and so refused with EPERM: mounting (`mount`, `move_mount`,
 * `pivot_root`, …), entering namespaces (`setns`), kernel modules and kexec, `bpf`, `perf_event_open`, `userfaultfd`, `io_uring_*` (a steady
 * source of kernel holes), keys (`keyctl`: the key ring is not namespaced), `open_by_handle_at` (reads around path checks),
 * clocks, swap, quotas, accounting, `reboot`, port access, `fanotify_init`, `kcmp`, `name_to_handle_at`.
 */
const allowed = words(`
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek sendfile sendfile64 splice tee
  vmsplice copy_file_range readahead fadvise64 fadvise64_64 arm_fadvise64_64

  open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2
  stat lstat fstat newfstatat stat64 lstat64 fstat64 fstatat64 statx oldstat oldlstat oldfstat access faccessat faccessat2
  statfs fstatfs statfs64 fstatfs64 ustat getdents getdents64 readdir getcwd chdir fchdir
  rename renameat renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink readlinkat mknod mknodat
  chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat chown32 fchown32 lchown32 umask utime utimes futimesat utimensat
  utimensat_time64 truncate ftruncate truncate64 ftruncate64 fallocate fsync fdatasync sync syncfs sync_file_range
  sync_file_range2 arm_sync_file_range
  getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
  inotify_init inotify_init1 inotify_add_watch inotify_rm_watch

  mmap mmap2 munmap mremap mprotect pkey_mprotect pkey_alloc pkey_free msync mincore madvise process_madvise brk mlock mlock2
  munlock mlockall munlockall remap_file_pages memfd_create membarrier mbind set_mempolicy get_mempolicy
  set_mempolicy_home_node shmget shmat shmdt shmctl

  poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
  epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime
  timerfd_gettime timerfd_settime64 timerfd_gettime64
  io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64

  fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid gettid getppid getpgid getpgrp getsid setpgid setsid
  kill tkill tgkill pidfd_open pidfd_send_signal pidfd_getfd process_mrelease process_vm_readv process_vm_writev ptrace prctl
  arch_prctl set_thread_area get_thread_area set_tid_address set_robust_list get_robust_list rseq modify_ldt restart_syscall
  futex futex_time64 futex_waitv futex_wake futex_wait futex_requeue seccomp landlock_create_ruleset landlock_add_rule
  landlock_restrict_self

  rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo rt_tgsigqueueinfo
  rt_sigsuspend sigaltstack sigaction signal sigpending sigprocmask sigreturn sigsuspend sgetmask ssetmask pause alarm
  getitimer setitimer timer_create timer_settime timer_gettime timer_settime64 timer_gettime64 timer_getoverrun timer_delete
  nanosleep clock_nanosleep clock_nanosleep_time64 clock_gettime clock_gettime64 clock_getres clock_getres_time64 gettimeofday
  time times

  getuid geteuid getgid getegid getuid32 geteuid32 getgid32 getegid32 getresuid getresgid getresuid32 getresgid32 getgroups
  getgroups32 setuid setgid setuid32 setgid32 setreuid setregid setreuid32 setregid32 setresuid setresgid setresuid32
  setresgid32 setgroups setgroups32 setfsuid setfsgid setfsuid32 setfsgid32 capget capset

  sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler
  sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64
  getpriority setpriority nice ioprio_get ioprio_set getcpu getrlimit ugetrlimit setrlimit prlimit64 getrusage sysinfo uname
  getrandom

  connect accept accept4 bind listen getsockname getpeername socketpair setsockopt getsockopt sendto recvfrom sendmsg recvmsg
  sendmmsg recvmmsg recvmmsg_time64 send recv shutdown socketcall

  semget semop semctl semtimedop semtimedop_time64 msgget msgsnd msgrcv msgctl ipc mq_open mq_unlink mq_timedsend
  mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr

  breakpoint cacheflush set_tls get_tls
`)

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET (clone(2)): a new user namespace would bring all capabilities back. */
const namespaceFlags = 0x7e020000

/** Sockets of these families only: local, IPv4, IPv6, netlink. Others (vsock, AF_ALG, packet, …) are rarely used kernel code. */
const socketFamilies = [1, 2, 10, 16]

/** personality(2): Linux, 32-bit, without address randomisation (debuggers), and the question what it is. */
const personalities = [0x0, 0x8, 0x20000, 0x40000, 0x20008, 0xffffffff]

const equal = (value: number) => [{ index: 0, value, op: 'SCMP_CMP_EQ' }] as const

/** The same for every container, so it is made once. */
const rules: readonly SeccompRule[] = [
  { names: allowed, action: 'SCMP_ACT_ALLOW' },
  {
    names: ['clone', 'unshare'],
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value: namespaceFlags, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
  },
  // Its flags are behind a pointer, where a filter cannot look. ENOSYS makes C libraries fall back to clone.
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
  ...socketFamilies.map((family): SeccompRule => ({
    names: ['socket'],
    action: 'SCMP_ACT_ALLOW',
    args: equal(family),
  })),
  ...personalities.map((value): SeccompRule => ({
    names: ['personality'],
    action: 'SCMP_ACT_ALLOW',
    args: equal(value),
  })),
]

const native = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' } as const
const compatible = { x64: 'SCMP_ARCH_X86', arm64: 'SCMP_ARCH_ARM' } as const

/**
 * The profile for a container. Calls that are not allowed fail with EPERM.
 *
 * @param programs32Bit whether 32-bit programs may run: the runtime compiles the filter anew for every container, and a second
 * architecture costs 5 ms of its 37, so it is only for images that have a 32-bit loader. Elsewhere such programs are killed.
 */
export const seccompProfile = (architecture: Architecture, programs32Bit: boolean): SeccompProfile => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: EPERM,
  architectures: programs32Bit ? [native[architecture], compatible[architecture]] : [native[architecture]],
  syscalls: rules,
})
