#!/usr/bin/perl
# Looks into /arc as users of the platform: names, types, sizes and times of files, never their contents.
#
#   perl look.pl ARCH LANES
#
# Reads orders from stdin: a line `LANE SECONDS BYTES`, followed by BYTES of fields, each with a NUL behind it. For each it forks
# a child, which gives up every right that the user has not, sees nothing but the user's home and the projects, looks, and writes
# records with a NUL behind each to its lane, the descriptor 3 + LANE. When the child has ended, this process writes an empty
# record and `exit STATUS`. It kills a child that outlives SECONDS, and with `LANE 0 0` at once. look-server.ts writes the orders.
#
# Fields are `KEY VALUE`: uid; gid; groups, with commas; rootless and ownRoot, 1 or 0; view, an empty folder; mount, a folder, and at, its place below
# the view, in pairs; most, of records; seconds, after which the child ends by itself; do. What follows `do` are its arguments:
#   stat PATH...         a record for each path
#   glob COMPONENT...    `=NAME`, `~REGULAR EXPRESSION` or `**`: a record for each path that matches, in order
# Records: `TYPE SIZE MTIME PATH`, where TYPE is f: a file, d: a folder that the user may enter, c: one that is closed to the user,
# l: a link that leads nowhere, o: anything else; `- ERRNO PATH`; `end CUT UNREADABLE`, the last one; `fault TEXT`.
#
# Plain Perl without modules, as supervise.pl. Numbers are of Linux, for x86_64 and aarch64.
use strict;

my ($architecture, $lanes) = @ARGV;
my $is_arm = $architecture eq 'arm64';
my ($EACCES, $ENOENT, $SIGKILL) = (13, 2, 9);
my ($MS_NOSUID, $MS_NODEV, $MS_NOEXEC, $MS_BIND, $MS_REC, $MS_SLAVE) = (2, 4, 8, 4096, 16384, 1 << 19);
my ($CLONE_NEWNS, $CLONE_NEWUSER) = (0x20000, 0x10000000);
my ($PR_SET_PDEATHSIG, $PR_SET_SECCOMP, $PR_SET_NO_NEW_PRIVS) = (1, 22, 38);
my %call = $is_arm
    ? (close => 57, mount => 40, unshare => 97, prctl => 167, setgroups => 159, setresgid => 149, setresuid => 147, capset => 91,
        setrlimit => 164, mount_setattr => 442)
    : (close => 3, mount => 165, unshare => 272, prctl => 157, setgroups => 116, setresgid => 119, setresuid => 117, capset => 126,
        setrlimit => 160, mount_setattr => 442);

my @lane = map { open my $file, '+<&=', 3 + $_ or die; $file } 0 .. $lanes - 1;
my %running;    # by lane: pid, life (a pipe that ends with the child), deadline
my $orders = '';
%ENV = ();
$SIG{PIPE} = 'IGNORE';
syscall $call{prctl}, $PR_SET_PDEATHSIG, $SIGKILL, 0, 0, 0;

while (1) {
    my ($ready, $wait) = ('');
    vec($ready, 0, 1) = 1;
    for (values %running) {
        vec($ready, fileno $_->{life}, 1) = 1;
        next unless defined $_->{deadline};
        my $left = $_->{deadline} - time;
        $left = 0 if $left < 0;
        $wait = $left if !defined $wait || $left < $wait;
    }
    my $found = select $ready, undef, undef, $wait;
    for my $number (keys %running) {
        my $child = $running{$number};
        if ($found > 0 && vec $ready, fileno $child->{life}, 1) {
            waitpid $child->{pid}, 0;
            my $status = $?;
            delete $running{$number};
            write_all($lane[$number], "\0exit $status\0");
        }
        elsif (defined $child->{deadline} && time >= $child->{deadline}) { end_lane($number) }
    }
    next unless $found > 0 && vec $ready, 0, 1;
    my $count = sysread STDIN, $orders, 65536, length $orders;
    if (defined $count && $count == 0) {    # the server is gone
        end_lane($_) for keys %running;
        exit 0;
    }
    while ($orders =~ /^(\d+) (\d+) (\d+)\n/) {
        my ($number, $seconds, $bytes, $head) = ($1, $2, $3, $+[0]);
        last if length $orders < $head + $bytes;
        my $order = substr $orders, $head, $bytes;
        substr $orders, 0, $head + $bytes, '';
        if   ($seconds == 0) { end_lane($number) }
        else                 { start($number, $seconds, $order) }
    }
}

sub end_lane {
    my $child = $running{$_[0]} or return;
    delete $child->{deadline};
    kill $SIGKILL, $child->{pid};
}

sub start {
    my ($number, $seconds, $order) = @_;
    my $pid = pipe(my $life, my $mine) ? fork : undef;
    return write_all($lane[$number], "fault cannot fork: $!\0\0exit 256\0") unless defined $pid;
    if ($pid) {
        $running{$number} = {pid => $pid, life => $life, deadline => time + $seconds};
        return;
    }
    syscall $call{prctl}, $PR_SET_PDEATHSIG, $SIGKILL, 0, 0, 0;
    # Neither the server's orders nor the other lanes stay open. There are three descriptors at most for each lane.
    my %own = map { $_ => 1 } 2, 3 + $number, fileno $mine;
    $own{$_} or syscall $call{close}, $_ for 0 .. 3 * $lanes + 16;
    eval { look($lane[$number], $order); 1 } or write_all($lane[$number], 'fault ' . ($@ =~ s/\0|\s*\z//gr) . "\0");
    exit 0;
}

sub write_all {
    my ($file, $bytes) = @_;
    my $done = 0;
    while ($done < length $bytes) {
        my $count = syswrite $file, $bytes, length($bytes) - $done, $done;
        return unless defined $count;
        $done += $count;
    }
}

# --- the child ---

my ($output, $written, $pending, $most, $ends_at, $cut, $is_partial, %unreadable);

sub look {
    my ($lane, $order) = @_;
    my @fields = split /\0/, $order, -1;
    pop @fields;
    my (%set, @mounts);
    while (@fields) {
        my ($key, $value) = split / /, shift @fields, 2;
        if    ($key eq 'mount') { push @mounts, [$value] }
        elsif ($key eq 'at')    { push @{$mounts[-1]}, $value }
        else                    { $set{$key} = $value }
        last if $key eq 'do';
    }
    ($output, $pending, $written, $most, $ends_at, $cut) = ($lane, '', 0, $set{most}, time + $set{seconds}, '');
    confine(\%set, @mounts);
    if ($set{do} eq 'stat') { report($_) for @fields }
    else                    { walk('', @fields) }
    $cut ||= 'count' if $is_partial;
    record("end $cut " . keys %unreadable);
    write_all($output, $pending);
}

# Leaves this process with the rights of the user, a view of nothing else, and the few system calls that looking needs.
sub confine {
    my ($set, @mounts) = @_;
    my ($uid, $gid, $view) = @$set{qw(uid gid view)};
    my ($none, $top, $empty, $tmpfs) = ('none', '/', '', 'tmpfs');
    my ($own_uid, $own_gid) = ($>, (split ' ', $))[0]);
    must('make namespaces', syscall $call{unshare}, $CLONE_NEWNS | ($set->{rootless} ? $CLONE_NEWUSER : 0));
    if ($set->{rootless}) {
        for (['setgroups', 'deny'], ['uid_map', "$uid $own_uid 1"], ['gid_map', "$gid $own_gid 1"]) {
            open my $file, '>', "/proc/self/$_->[0]" or die "cannot write $_->[0]: $!\n";
            defined syswrite $file, $_->[1] or die "cannot write $_->[0]: $!\n";
        }
    }
    my $slaves = syscall $call{mount}, $none, $top, $empty, $MS_REC | $MS_SLAVE, $empty;
    die "cannot make the mounts private: $!\n" unless $slaves == 0 || $set->{ownRoot};    # a chroot may be no mount point
    my $options = 'size=64k,mode=755';
    must('mount the view', syscall $call{mount}, $tmpfs, $view, $tmpfs, $MS_NOSUID | $MS_NODEV | $MS_NOEXEC, $options);
    chdir $view or die "cannot enter the view: $!\n";
    for (@mounts) {
        my ($folder, $place) = @$_;
        next unless lstat $folder;    # a home before the first job
        # A link in the place of a home is the operator's, where the user cannot have made it (home.ts).
        if (-l _ && !$set->{rootless}) {
            my ($mode, $owner) = (stat $folder =~ s/[^\/]*\z//r)[2, 4];
            die "$place is a link that the user may have made\n" if $owner != 0 || $mode & 022;
        }
        my $path = '';
        mkdir $path .= "$_/" for split /\//, $place;
        must("mount $place", syscall $call{mount}, $folder, $place, $empty, $MS_BIND | $MS_REC, $empty);
        my $attributes = pack 'QQQQ', 1 | 2 | 4 | 8, 0, 0, 0;    # read-only, nosuid, nodev, noexec; kernels before 5.12 refuse it
        syscall $call{mount_setattr}, -100, $place, 0x8000, $attributes, 32;
    }
    chroot '.' or die "cannot change the root: $!\n";
    chdir '/';

    # CPU seconds, bytes of a file, core, processes, descriptors, bytes of memory
    for ([0, $set->{seconds} + 5], [1, 0], [4, 0], [6, 0], [7, 64], [9, 1 << 29]) {
        my ($which, $limit) = ($_->[0], pack 'QQ', ($_->[1]) x 2);
        must('set limits', syscall $call{setrlimit}, $which, $limit);
    }
    unless ($set->{rootless}) {
        my @groups = split /,/, $set->{groups};
        my $groups = pack 'L*', @groups;
        must('set the groups', syscall $call{setgroups}, scalar @groups, $groups);
        must('set the group', syscall $call{setresgid}, $gid + 0, $gid + 0, $gid + 0);
        must('set the user', syscall $call{setresuid}, $uid + 0, $uid + 0, $uid + 0);
    }
    my ($header, $nothing) = (pack('LL', 0x20080522, 0), pack 'L6');
    must('drop capabilities', syscall $call{capset}, $header, $nothing);
    must('forbid new privileges', syscall $call{prctl}, $PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    # Cleared by the change of the user. If the parent has ended since, the lane has ended too.
    syscall $call{prctl}, $PR_SET_PDEATHSIG, $SIGKILL, 0, 0, 0;
    die "the user is another one\n" if $> != $uid || $< != $uid;
    my $filter = filter();
    my $program = pack 'Sx6P', length($filter) / 8, $filter;
    must('limit system calls', syscall $call{prctl}, $PR_SET_SECCOMP, 2, $program, 0, 0);
}

sub must { $_[1] == 0 or die "cannot $_[0]: $!\n" }

# A program for seccomp(2), filter mode: the system calls of reading folders, of memory and of time. openat(2) opens folders alone
# (O_DIRECTORY), and for reading: no file, pipe or device. Everything else fails with EPERM: fork(2), socket(2), execve(2), ...
sub filter {
    my ($audit, $openat, $O_DIRECTORY) = $is_arm ? (0xc00000b7, 56, 040000) : (0xc000003e, 257, 0200000);
    # write close fstat newfstatat statx lseek mmap mprotect munmap brk mremap madvise rt_sigaction rt_sigprocmask rt_sigreturn
    # fcntl getdents64 chdir gettimeofday clock_gettime futex getrandom restart_syscall exit exit_group; x86_64: stat lstat time
    my @allowed = $is_arm
        ? (64, 57, 80, 79, 291, 62, 222, 226, 215, 214, 216, 233, 134, 135, 139, 25, 61, 49, 169, 113, 98, 278, 128, 93, 94)
        : (1, 3, 5, 262, 332, 8, 9, 10, 11, 12, 25, 28, 13, 14, 15, 72, 217, 80, 96, 228, 202, 318, 219, 60, 231, 4, 6, 201);
    my ($load, $equal, $and, $return) = (0x20, 0x15, 0x54, 0x06);
    my ($ALLOW, $EPERM, $KILL) = (0x7fff0000, 0x00050001, 0x80000000);
    my @program = ([$load, 0, 0, 4], [$equal, 1, 0, $audit], [$return, 0, 0, $KILL], [$load, 0, 0, 0]);
    for my $at (0 .. $#allowed) { push @program, [$equal, $#allowed - $at + 5, 0, $allowed[$at]] }
    push @program, [$equal, 0, 3, $openat], [$load, 0, 0, 32], [$and, 0, 0, $O_DIRECTORY | 3], [$equal, 1, 0, $O_DIRECTORY],
        [$return, 0, 0, $EPERM], [$return, 0, 0, $ALLOW];
    return join '', map { pack 'SCCL', @$_ } @program;
}

# --- looking ---

sub record {
    $pending .= "$_[0]\0";
    return if length $pending < 65536;
    write_all($output, $pending);
    $pending = '';
}

# Writes what is at a path. A name that has gone meanwhile is reported as missing only where it was asked for by name.
sub report {
    my ($path, $is_found) = @_;
    if ($written >= $most) { $cut ||= 'count' }
    return if $cut ne '' || is_late();
    my ($size, $time) = (stat $path)[7, 9];
    if (defined $time) {
        my $type = -f _ ? 'f' : -d _ ? (chdir $path ? 'd' : 'c') : 'o';
        record("$type $size $time $path");
    }
    else {
        my $error = $! + 0;
        ($size, $time) = (lstat $path)[7, 9];
        if   (defined $time)            { record("l $size $time $path") }
        elsif (!$is_found)              { record("- $error $path") }
        else                            { return }
    }
    $written++;
}

# Reports the paths below a folder that match the components.
sub walk {
    my ($folder, $component, @rest) = @_;
    return if $cut ne '' || is_late();
    if ($component eq '**') {
        walk($folder, @rest) if @rest;
        for my $name (names($folder, qr/\A[^.]/s, 1e6)) {
            my $path = "$folder/$name";
            report($path, 1) unless @rest;
            return if $cut ne '';
            walk($path, @_[1 .. $#_]) if lstat $path && -d _;
        }
        return;
    }
    my ($kind, $value) = (substr($component, 0, 1), substr $component, 1);
    if ($kind eq '=') {
        my $path = "$folder/$value";
        if    (@rest)       { walk($path, @rest) }
        elsif (lstat $path) { report($path, 1) }
        return;
    }
    for my $name (names($folder, qr/$value/s, @rest ? 1e6 : $most)) {
        my $path = "$folder/$name";
        if    (!@rest)               { report($path, 1) }
        elsif (stat $path && -d _) { walk($path, @rest) }
        return if $cut ne '';
    }
}

# The first names of a folder that match, in order, and one more than the limit where there are more.
sub names {
    my ($folder, $pattern, $limit) = @_;
    my $handle;
    if (!opendir $handle, $folder eq '' ? '/' : $folder) {
        $unreadable{$folder} = 1 if $! == $EACCES;
        return;
    }
    my (@found, $count);
    while (defined(my $name = readdir $handle)) {
        last if ++$count % 1024 == 0 && is_late();
        push @found, $name if $name =~ $pattern && $name ne '.' && $name ne '..';
        next unless @found > 2 * $limit + 1024;
        @found = (sort @found)[0 .. $limit];
        $is_partial = 1 if $limit != $most;
    }
    return sort @found;
}

sub is_late {
    return $cut ne '' unless time >= $ends_at;
    $cut ||= 'time';
    return 1;
}
