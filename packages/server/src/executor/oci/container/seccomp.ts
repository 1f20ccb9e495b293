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

/** The system calls that programs in a container may use. */
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
 * What scientific programs need, by subject. Left out, and so refused with EPERM: mounting (`mount`, `move_mount`,
 * `pivot_root`, …), entering namespaces (`setns`), kernel modules and kexec, `bpf`, `perf_event_open`, `userfaultfd`, `io_uring_*` (a steady
 * source of kernel holes), keys (`keyctl`: the key ring is not namespaced), `open_by_handle_at` (reads around path checks),
 * clocks, swap, quotas, accounting, `reboot`, port access, `fanotify_init`, `kcmp`, `name_to_handle_at`.
 */
const allowed = words(`
  read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile splice tee vmsplice
  copy_file_range readahead fadvise64

  open openat openat2 creat close close_range dup dup2 dup3 fcntl flock ioctl pipe pipe2 stat lstat fstat newfstatat statx
  access faccessat faccessat2 statfs fstatfs ustat getdents getdents64 getcwd chdir fchdir rename renameat renameat2 mkdir
  mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink readlinkat mknod mknodat chmod fchmod fchmodat
  fchmodat2 chown fchown lchown fchownat umask utime utimes futimesat utimensat truncate ftruncate fallocate fsync
  fdatasync sync syncfs sync_file_range getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr
  fsetxattr removexattr lremovexattr fremovexattr inotify_init inotify_init1 inotify_add_watch inotify_rm_watch

  mmap munmap mremap mprotect pkey_mprotect pkey_alloc pkey_free msync mincore madvise process_madvise brk mlock mlock2
  munlock mlockall munlockall remap_file_pages memfd_create membarrier mbind set_mempolicy get_mempolicy
  set_mempolicy_home_node shmget shmat shmdt shmctl

  poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait
  epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime io_setup io_destroy
  io_submit io_cancel io_getevents io_pgetevents

  fork vfork execve execveat exit exit_group wait4 waitid getpid gettid getppid getpgid getpgrp getsid setpgid setsid kill
  tkill tgkill pidfd_open pidfd_send_signal pidfd_getfd process_mrelease process_vm_readv process_vm_writev ptrace prctl
  arch_prctl set_thread_area get_thread_area set_tid_address set_robust_list get_robust_list rseq modify_ldt
  restart_syscall futex futex_waitv futex_wake futex_wait futex_requeue seccomp landlock_create_ruleset landlock_add_rule
  landlock_restrict_self

  rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend
  sigaltstack pause alarm getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete
  nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times

  getuid geteuid getgid getegid getresuid getresgid getgroups setuid setgid setreuid setregid setresuid setresgid
  setgroups setfsuid setfsgid capget capset

  sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler
  sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval getpriority setpriority
  ioprio_get ioprio_set getcpu getrlimit setrlimit prlimit64 getrusage sysinfo uname getrandom

  connect accept accept4 bind listen getsockname getpeername socketpair setsockopt getsockopt sendto recvfrom sendmsg
  recvmsg sendmmsg recvmmsg shutdown

  semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
  mq_getsetattr
`)

/** Calls of 32-bit programs that x86_64 and aarch64 do not have. */
const allowed32Bit = words(`
  _llseek sendfile64 fadvise64_64 arm_fadvise64_64 fcntl64 stat64 lstat64 fstat64 fstatat64 oldstat oldlstat oldfstat
  statfs64 fstatfs64 readdir chown32 fchown32 lchown32 utimensat_time64 truncate64 ftruncate64 sync_file_range2
  arm_sync_file_range mmap2 ppoll_time64 _newselect pselect6_time64 timerfd_settime64 timerfd_gettime64
  io_pgetevents_time64 waitpid futex_time64 rt_sigtimedwait_time64 sigaction signal sigpending sigprocmask sigreturn
  sigsuspend sgetmask ssetmask timer_settime64 timer_gettime64 clock_nanosleep_time64 clock_gettime64 clock_getres_time64
  getuid32 geteuid32 getgid32 getegid32 getresuid32 getresgid32 getgroups32 setuid32 setgid32 setreuid32 setregid32
  setresuid32 setresgid32 setgroups32 setfsuid32 setfsgid32 sched_rr_get_interval_time64 nice ugetrlimit recvmmsg_time64
  send recv socketcall semtimedop_time64 ipc mq_timedsend_time64 mq_timedreceive_time64 breakpoint cacheflush set_tls
  get_tls
`)

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET (clone(2)): a new user namespace would restore all capabilities. */
const namespaceFlags = 0x7e020000

/** Families of sockets that are allowed: local, IPv4, IPv6, netlink. Others (vsock, AF_ALG, packet, …) reach rarely used kernel code. */
const socketFamilies = [1, 2, 10, 16]

/** personality(2): Linux, 32-bit, without address randomisation (debuggers), and the query of the current value. */
const personalities = [0x0, 0x8, 0x20000, 0x40000, 0x20008, 0xffffffff]

const equal = (value: number) => [{ index: 0, value, op: 'SCMP_CMP_EQ' }] as const

/** Rules for containers without 32-bit programs, and with them: made once. */
const rules = (names: readonly string[]): readonly SeccompRule[] => [
  { names, action: 'SCMP_ACT_ALLOW' },
  {
    names: ['clone', 'unshare'],
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value: namespaceFlags, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
  },
  // Its flags are behind a pointer, which a filter cannot follow. ENOSYS makes C libraries use clone.
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

const rules64Bit = rules(allowed)
const rules32Bit = rules([...allowed, ...allowed32Bit])

const native = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' } as const
const compatible = { x64: 'SCMP_ARCH_X86', arm64: 'SCMP_ARCH_ARM' } as const

/**
 * The profile for a container. Calls that are not allowed fail with EPERM.
 *
 * The runtime compiles the filter anew for every container, which takes 5 of its 25 ms of processor time: by the name, and 5 ms more for
 * a second architecture. So 32-bit programs and their calls are allowed for images with a 32-bit loader alone. Elsewhere such programs are
 * killed.
 */
export const seccompProfile = (architecture: Architecture, programs32Bit: boolean): SeccompProfile => ({
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: EPERM,
  architectures: programs32Bit ? [native[architecture], compatible[architecture]] : [native[architecture]],
  syscalls: programs32Bit ? rules32Bit : rules64Bit,
})
