/*
 * Enters the working directory of a job, then becomes its command.
 *
 *   enter find DIR PROGRAM [ARG...]    DIR must exist
 *   enter make DIR PROGRAM [ARG...]    missing folders of DIR are made
 *
 * It runs inside the container, as the user of the job and without capabilities: the kernel resolves DIR in the container's own
 * file systems and with the permissions of the user, in one chdir(2). Container runtimes would make and enter the folder as root
 * (runc: MkdirAll, then a chdir before setuid). The image may have no shell, and a shell would drop variables such as `a.b`:
 * so this program needs nothing of the image, no libc and no loader, and passes the environment on as it is.
 *
 * A failure is one line on stderr and in /dev/termination-log, which the kubelet reads where that file exists:
 *   cannot enter PATH: REASON     exit code 125; PATH is the first folder of DIR that cannot be entered
 *   cannot make PATH: REASON      exit code 125
 *   exec PROGRAM: REASON          exit code 127, or 126 where PROGRAM is there
 *
 * Built by `build-enter` for x86_64 and aarch64; entry.ts reads its messages.
 */

#ifdef __x86_64__
enum { WRITE = 1, EXECVE = 59, CHDIR = 80, EXIT_GROUP = 231, OPENAT = 257, MKDIRAT = 258, FACCESSAT = 269 };
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call enter\n");

static long call(long number, long a, long b, long c, long d)
{
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}
#else
enum { MKDIRAT = 34, FACCESSAT = 48, CHDIR = 49, OPENAT = 56, WRITE = 64, EXIT_GROUP = 94, EXECVE = 221 };
__asm__(".globl _start\n_start:\n mov x0, sp\n bl enter\n");

static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#endif

enum { AT_FDCWD = -100, O_WRONLY_CLOEXEC_NOCTTY = 02000401 };
enum { ENOENT = 2, EACCES = 13, EEXIST = 17, ENOTDIR = 20, ENAMETOOLONG = 36 };
enum { PATH_BYTES = 4096, SHOWN_BYTES = 1000 };

static char message[PATH_BYTES];
static long message_size;
static char candidate[PATH_BYTES];

static long size_of(const char *text)
{
    long size = 0;
    while (text[size] != 0) size++;
    return size;
}

static int starts_with(const char *text, const char *start)
{
    while (*start != 0)
        if (*text++ != *start++) return 0;
    return 1;
}

static void add(const char *text, long size)
{
    for (long i = 0; i < size && message_size < PATH_BYTES; i++) message[message_size++] = text[i];
}

static void say(const char *text)
{
    add(text, size_of(text));
}

/* The kubelet reads 4096 bytes of a termination log: of a long path the beginning is shown. */
static void say_path(const char *path)
{
    long size = size_of(path);
    add(path, size > SHOWN_BYTES ? SHOWN_BYTES : size);
    if (size > SHOWN_BYTES) say("...");
}

static void say_reason(long error)
{
    switch (error) {
    case 1: return say("operation not permitted");
    case ENOENT: return say("no such file or directory");
    case 5: return say("input/output error");
    case 7: return say("argument list too long");
    case 8: return say("exec format error");
    case 12: return say("cannot allocate memory");
    case EACCES: return say("permission denied");
    case ENOTDIR: return say("not a directory");
    case 26: return say("text file busy");
    case 28: return say("no space left on device");
    case 30: return say("read-only file system");
    case ENAMETOOLONG: return say("file name too long");
    case 40: return say("too many levels of symbolic links");
    case 116: return say("stale file handle");
    case 122: return say("disk quota exceeded");
    }
    char digits[20];
    long at = sizeof digits;
    for (; error > 0 && at > 0; error /= 10) digits[--at] = (char)('0' + error % 10);
    say("error ");
    add(digits + at, (long)sizeof digits - at);
}

static void fail(const char *verb, const char *path, const char *reason, long error, long exit_code)
{
    say(verb);
    say_path(path);
    say(": ");
    if (reason != 0) say(reason);
    else say_reason(error);
    say("\n");
    call(WRITE, 2, (long)message, message_size, 0);
    long log = call(OPENAT, AT_FDCWD, (long)"/dev/termination-log", O_WRONLY_CLOEXEC_NOCTTY, 0);
    if (log >= 0) call(WRITE, log, (long)message, message_size, 0);
    for (;;) call(EXIT_GROUP, exit_code, 0, 0, 0);
}

/* Cuts a path after each of its folders in turn, and calls visit with it. Stops where that returns an error, and leaves the path cut. */
static long visit_folders(char *path, long (*visit)(const char *))
{
    for (long at = 1;; at++) {
        char end = path[at];
        if (end != '/' && end != 0) continue;
        path[at] = 0;
        long error = visit(path);
        if (error != 0) return error;
        path[at] = end;
        if (end == 0) return 0;
    }
}

static long enter_folder(const char *path)
{
    return -call(CHDIR, (long)path, 0, 0, 0);
}

static long make_folder(const char *path)
{
    long error = -call(MKDIRAT, AT_FDCWD, (long)path, 0777, 0);
    return error == EEXIST ? 0 : error;
}

static void enter_directory(char *path, int makes)
{
    long error;
    if (makes && (error = visit_folders(path, make_folder)) != 0) fail("cannot make ", path, 0, error, 125);
    if ((error = enter_folder(path)) == 0) return;
    /* Only for the message: which of its folders is it? */
    long first = visit_folders(path, enter_folder);
    fail("cannot enter ", path, 0, first != 0 ? first : error, 125);
}

/* Becomes the program at a path. Returns the error; a missing interpreter is one of a program that is there. */
static long become(char *path, char **arguments, char **environment)
{
    return -call(EXECVE, (long)path, (long)arguments, (long)environment, 0);
}

static int is_there(const char *path)
{
    return call(FACCESSAT, AT_FDCWD, (long)path, 0, 0) == 0;
}

/* execvp(3), without its fallback to a shell. */
static void run(char **arguments, char **environment)
{
    char *program = arguments[0];
    for (const char *at = program; *at != 0; at++) {
        if (*at != '/') continue;
        long error = become(program, arguments, environment);
        if (error == ENOENT && !is_there(program)) fail("exec ", program, "not found", 0, 127);
        fail("exec ", program, 0, error, 126);
    }
    const char *folders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (char **variable = environment; *variable != 0; variable++)
        if (starts_with(*variable, "PATH=")) folders = *variable + 5;
    long name_size = size_of(program), denied = 0;
    while (name_size > 0) {
        long size = 0;
        while (folders[size] != 0 && folders[size] != ':') size++;
        if (size + name_size + 2 <= PATH_BYTES) {
            long at = 0;
            for (; at < size; at++) candidate[at] = folders[at];
            if (size > 0) candidate[at++] = '/'; /* an empty entry is the working directory */
            for (long i = 0; i <= name_size; i++) candidate[at + i] = program[i];
            long error = become(candidate, arguments, environment);
            if (error == EACCES) denied = 1;
            else if (error == ENOENT ? is_there(candidate) : error != ENOTDIR) fail("exec ", candidate, 0, error, 126);
        }
        if (folders[size] == 0) break;
        folders += size + 1;
    }
    if (denied) fail("exec ", program, 0, EACCES, 126);
    fail("exec ", program, "not found", 0, 127);
}

/* stack: the number of arguments, the arguments, a null, the environment, a null. */
void enter(long *stack)
{
    long count = stack[0];
    char **arguments = (char **)(stack + 1);
    if (count < 4) fail("cannot enter ", "", "usage: enter find|make DIR PROGRAM [ARG...]", 0, 125);
    enter_directory(arguments[2], arguments[1][0] == 'm');
    run(arguments + 3, arguments + count + 1);
}
