import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import pino from 'pino'
import { LookBusy, LookFailed, type LookAnswer } from '../arc-look.ts'
import type { Account } from '../account.ts'
import { ArcLooks, type ArcLooksOptions } from './arc-looks.ts'

const survey = { name: 'survey', gid: 40_000 }
const ada: Account = { name: 'ada', uid: 20_000, gid: 20_000, groups: [survey] }
const bob: Account = { name: 'bob', uid: 20_001, gid: 20_001, groups: [] }
const isRoot = process.getuid?.() === 0

describe('a look into /arc', { skip: isRoot ? false : 'needs root, to be two users' }, () => {
  let folder: string
  let options: ArcLooksOptions
  let looks: ArcLooks
  const opened: ArcLooks[] = []

  const open = (changes: Partial<ArcLooksOptions> = {}): ArcLooks => {
    const made = new ArcLooks({ ...options, ...changes })
    opened.push(made)
    return made
  }
  const home = (name: string, ...rest: string[]) => join(folder, 'home', name, ...rest)
  const project = (...rest: string[]) => join(folder, 'projects', ...rest)
  const paths = ({ files }: LookAnswer): string[] => files.map(({ path }) => path)
  const folderOf = async (path: string, { uid, gid }: { uid: number; gid: number }, mode: number) => {
    await mkdir(path, { recursive: true })
    await chown(path, uid, gid)
    await chmod(path, mode)
  }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'looks-'))
    await chmod(folder, 0o755)
    for (const name of ['view', 'home', 'projects']) await mkdir(join(folder, name), { mode: 0o755 })
    await folderOf(home('ada'), ada, 0o700)
    await folderOf(home('bob'), bob, 0o700)
    await folderOf(project('survey'), { uid: 0, gid: survey.gid }, 0o770)
    await writeFile(home('bob', 'secret.txt'), 'x')
    await writeFile(project('survey', 'b.fits'), 'four')
    const arch = process.arch as 'x64' | 'arm64'
    options = {
      architecture: arch,
      rootless: false,
      ownRoot: false,
      view: join(folder, 'view'),
      homes: join(folder, 'home'),
      projects: join(folder, 'projects'),
      ids: ({ uid, gid, groups }) => ({ uid, gid, additionalGids: groups.map((group) => group.gid) }),
      log: pino({ level: 'silent' }),
    }
    looks = open()
  })
  after(async () => {
    for (const each of opened) each.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('finds files by a pattern, sorted, with type, size and time', async () => {
    await folderOf(home('ada', 'night'), ada, 0o755)
    for (const name of ['b.fits', 'a.fits', '.hidden.fits', 'c.txt']) await writeFile(home('ada', 'night', name), 'xyz')
    const answer = await looks.glob(ada, '/arc/home/ada/night/*.fits')
    assert.deepEqual(paths(answer), ['/arc/home/ada/night/a.fits', '/arc/home/ada/night/b.fits'])
    assert.deepEqual([answer.cut, answer.unreadable, answer.unnamed], [undefined, 0, 0])
    const [first] = answer.files
    assert.deepEqual([first?.type, first?.sizeBytes], ['file', 3])
    assert.ok(Math.abs((first?.modifiedAt ?? 0) - Date.now()) < 3_600_000)
    assert.deepEqual(paths(await looks.glob(ada, '/arc/**/*.fits')), [
      '/arc/home/ada/night/a.fits',
      '/arc/home/ada/night/b.fits',
      '/arc/projects/survey/b.fits',
    ])
    assert.deepEqual(paths(await looks.glob(ada, '/arc/home/ada/night/.h*')), ['/arc/home/ada/night/.hidden.fits'])
    assert.deepEqual(paths(await looks.glob(ada, '/arc/no/such')), [])
    assert.deepEqual(
      paths(await looks.list(ada, '/arc/home/ada/night')).map((path) => path.slice('/arc/home/ada/night/'.length)),
      ['.hidden.fits', 'a.fits', 'b.fits', 'c.txt'],
    )
  })

  it('matches as a shell does', async () => {
    const inside = home('ada', 'names')
    await folderOf(inside, ada, 0o755)
    const letters = ['a', 'b', 'é', '.', '-', 'aé', 'b.']
    const names = letters.flatMap((x) => letters.flatMap((y) => letters.map((z) => `${x}${y}${z}`)))
    for (const name of names.filter((each) => !/^\.\.?$/.test(each))) await writeFile(join(inside, name), '')
    const parts = ['*', '?', 'a', 'é', '[ab]', '[!a]', '[a-bé]', '.', '-', '**', '\\?', '[-a]']
    const patterns = parts.flatMap((x) => parts.flatMap((y) => parts.map((z) => `${x}${y}${z}`)))
    const some = patterns.filter((pattern, i) => i % 17 === 0 && /[*[]|(^|[^\\])\?/.test(pattern))
    // `**` within a name is a star, in a shell without globstar and here.
    const script =
      'cd "$1"; shift; shopt -s nullglob; IFS=; for p; do for f in $p; do printf "%s\\n" "$f"; done; echo; done'
    const env = { LC_ALL: 'C.UTF-8', PATH: process.env['PATH'] }
    const said = execFileSync('bash', ['-c', script, 'bash', inside, ...some], { env, encoding: 'utf8' })
    const blocks = said.split('\n\n')
    let rest = said
    for (const pattern of some) {
      const end = rest.startsWith('\n') ? 0 : rest.indexOf('\n\n') + 1
      const wanted = rest.slice(0, end).split('\n').filter(Boolean)
      rest = rest.slice(end + 1)
      const found = paths(await looks.glob(ada, `/arc/home/ada/names/${pattern}`))
      assert.deepEqual(found.map((path) => path.split('/').at(-1)).sort(), wanted.sort(), pattern)
    }
    assert.ok(blocks.length > 10)
  })

  it('takes no longer for a pattern with many stars', async () => {
    await folderOf(home('ada', 'long'), ada, 0o755)
    await writeFile(home('ada', 'long', 'a'.repeat(255)), '')
    const answer = await looks.glob(ada, `/arc/home/ada/long/${'*a'.repeat(100)}*b`)
    assert.deepEqual([paths(answer), answer.cut], [[], undefined])
  })

  it('tells what is at a path, and that something is not there', async () => {
    await folderOf(home('ada', 'closed'), ada, 0)
    const found = await looks.stat(ada, [
      '/arc/home/ada',
      '/arc/home/ada/closed',
      '/arc/home/ada/closed/x',
      '/arc/home/ada/no',
      '/arc/projects/survey/b.fits',
      '/arc/projects/survey/b.fits/x',
    ])
    assert.deepEqual(
      found.map((each) => (each.type === 'unseen' ? each.error : each.type)),
      ['folder', 'closed-folder', 'EACCES', 'ENOENT', 'file', 'ENOTDIR'],
    )
    await rm(home('ada', 'closed'), { recursive: true })
    await assert.rejects(looks.stat(ada, ['/arc/\0']), /NUL/)
  })

  it('shows nothing of another user, or of a project of others', async () => {
    assert.deepEqual(paths(await looks.glob(ada, '/arc/home/*')), ['/arc/home/ada'])
    assert.deepEqual(paths(await looks.glob(ada, '/arc/**/secret*')), [])
    const ofBob = await looks.glob(bob, '/arc/projects/**/*')
    assert.deepEqual([paths(ofBob), ofBob.unreadable], [['/arc/projects/survey'], 1])
    assert.equal(ofBob.files[0]?.type, 'closed-folder')
    assert.deepEqual(paths(await looks.glob(bob, '/arc/home/bob/*')), ['/arc/home/bob/secret.txt'])
    await mkdir(home('bob', 'shared'), { mode: 0o777 })
    assert.deepEqual(paths(await looks.glob(ada, '/arc/home/bob/**')), [])
  })

  it('follows links inside /arc, and none out of it', async () => {
    const links = {
      in: '/arc/projects/survey',
      etc: '/etc',
      file: '/etc/passwd',
      up: '../../../../..',
      proc: '/proc/self/root',
    }
    await folderOf(home('ada', 'links'), ada, 0o755)
    for (const [name, target] of Object.entries(links)) await symlink(target, home('ada', 'links', name))
    const there = '/arc/home/ada/links'
    assert.deepEqual(paths(await looks.glob(ada, `${there}/in/*`)), [`${there}/in/b.fits`])
    const { files } = await looks.glob(ada, `${there}/*`)
    assert.deepEqual(Object.fromEntries(files.map(({ path, type }) => [path.split('/').at(-1), type])), {
      in: 'folder',
      etc: 'broken-link',
      file: 'broken-link',
      up: 'folder',
      proc: 'broken-link',
    })
    assert.deepEqual(paths(await looks.glob(ada, `${there}/up/*`)), [`${there}/up/arc`], 'its root is the view')
    assert.deepEqual(paths(await looks.glob(ada, `${there}/{etc,file}*`)), [])
    await symlink('.', home('ada', 'links', 'ring'))
    const deep = await looks.glob(ada, '/arc/home/ada/links/**/b.fits')
    assert.deepEqual(paths(deep), [], 'any depth follows no links')
  })

  it('refuses a home that is a link where the user may replace it', async () => {
    await rename(home('bob'), home('bob.moved'))
    try {
      await symlink(home('bob.moved'), home('bob'))
      assert.deepEqual(paths(await looks.glob(bob, '/arc/home/bob/*.txt')), ['/arc/home/bob/secret.txt'])
      await chmod(join(folder, 'home'), 0o777)
      await assert.rejects(looks.glob(bob, '/arc/home/bob/*'), /link that the user may have made/)
    } finally {
      await chmod(join(folder, 'home'), 0o755)
      await rm(home('bob'))
      await rename(home('bob.moved'), home('bob'))
    }
  })

  it('opens neither pipes nor devices', async () => {
    await folderOf(home('ada', 'special'), ada, 0o755)
    execFileSync('mkfifo', [home('ada', 'special', 'pipe')])
    execFileSync('mknod', [home('ada', 'special', 'device'), 'c', '1', '5'])
    const found = await looks.glob(ada, '/arc/home/ada/special/*')
    assert.deepEqual(
      found.files.map(({ type }) => type),
      ['other', 'other'],
    )
    assert.deepEqual(paths(await looks.glob(ada, '/arc/home/ada/special/pipe/*')), [])
  })

  it('leaves out names that are not UTF-8, and counts them', async () => {
    await folderOf(home('ada', 'bytes'), ada, 0o755)
    const name = Buffer.concat([Buffer.from(home('ada', 'bytes', 'a')), Buffer.from([0xff])])
    await writeFile(name, '')
    await writeFile(home('ada', 'bytes', 'line\nend d 1 2'), '')
    const answer = await looks.glob(ada, '/arc/home/ada/bytes/*')
    assert.deepEqual([paths(answer), answer.unnamed], [['/arc/home/ada/bytes/line\nend d 1 2'], 1])
  })

  it('gives the first of many files, and says that there are more', async () => {
    await folderOf(home('ada', 'many'), ada, 0o755)
    const count = 30_000
    const make = 'my ($to, $count) = @ARGV; for (1 .. $count) { open my $f, ">", sprintf "%s/%06d", $to, $_ or die }'
    execFileSync('perl', ['-e', make, home('ada', 'many'), String(count)])
    const name = (i: number): string => `/arc/home/ada/many/${String(i).padStart(6, '0')}`
    const few = await looks.glob(ada, '/arc/home/ada/many/*', { most: 3 })
    assert.deepEqual([paths(few), few.cut], [[name(1), name(2), name(3)], 'count'])
    const most = await looks.glob(ada, '/arc/home/ada/many/*', { most: 1_000_000 })
    assert.deepEqual([most.files.length, most.files.at(-1)?.path, most.cut], [10_000, name(10_000), 'count'])
    const exact = await looks.glob(ada, '/arc/home/ada/many/0000[0-4]?', { most: 49 })
    assert.deepEqual([exact.files.length, exact.cut], [49, undefined])
    await rm(home('ada', 'many'), { recursive: true })
  })

  it('works where root is nobody on the disk', async () => {
    // As with root_squash on NFS: root without its capabilities is another user to a home of mode 0700.
    const bin = join(folder, 'bin')
    await mkdir(bin)
    const perl = execFileSync('sh', ['-c', 'command -v perl'], { encoding: 'utf8' }).trim()
    const lost = '-dac_override,-dac_read_search,-fowner'
    const script = `#!/bin/sh\nexec setpriv --bounding-set=${lost} --inh-caps=${lost} ${perl} "$@"\n`
    await writeFile(join(bin, 'perl'), script, { mode: 0o755 })
    const path = process.env['PATH']
    process.env['PATH'] = `${bin}:${path}`
    try {
      const env = { PATH: process.env['PATH'] }
      const asRoot = spawnSync('perl', ['-e', 'opendir my $d, $ARGV[0] or die "$!"', home('ada')], {
        env,
        encoding: 'utf8',
      })
      assert.match(asRoot.stderr, /Permission denied/, 'root itself may not read it')
      const squashed = open()
      assert.ok((await squashed.list(ada, '/arc/home/ada')).files.length > 0)
      assert.deepEqual(paths(await squashed.glob(bob, '/arc/home/bob/*.txt')), ['/arc/home/bob/secret.txt'])
    } finally {
      process.env['PATH'] = path
    }
  })

  it('gives each user a turn at a time, and everybody an answer', async () => {
    const users = Array.from({ length: 8 }, (_, i): Account => ({ ...ada, name: `u${i}`, uid: 30_000 + i }))
    const answers = await Promise.all(
      [...users, ...users, ...users].map((user) => looks.glob(user, '/arc/projects/survey/*')),
    )
    for (const answer of answers) assert.deepEqual(paths(answer), ['/arc/projects/survey/b.fits'])
  })

  describe('in a process that tries more', () => {
    /** look.pl with another piece of work, in the place of `stat`. */
    async function trying(code: string): Promise<ArcLooks> {
      const text = await readFile(join(import.meta.dirname, 'look.pl'), 'utf8')
      const place = "if ($set{do} eq 'stat') { report($_) for @fields }"
      assert.ok(text.includes(place))
      const program = join(await mkdtemp(join(folder, 'program-')), 'look.pl')
      await writeFile(program, text.replace(place, `if ($set{do} eq 'stat') { ${code} }`))
      return open({ program })
    }
    /** What code says that runs in the confined process. */
    async function said(code: string): Promise<string[]> {
      const tried = await trying(`my $say = sub { record("f 1 1 $_[0]") }; ${code}`)
      const records = await tried.stat(ada, ['/arc'])
      tried.close()
      return records.map(({ path }) => path)
    }

    it('cannot make a process, a connection or a file, open one, or change anything', async () => {
      await folderOf(home('ada', 'own'), ada, 0o700)
      await writeFile(home('ada', 'own', 'file'), 'x', { mode: 0o644 })
      await chown(home('ada', 'own', 'file'), ada.uid, ada.gid)
      execFileSync('mkfifo', ['-m', '666', home('ada', 'own', 'pipe')])
      const own = '/arc/home/ada/own'
      const attempts: Readonly<Record<string, string>> = {
        fork: 'defined(fork)',
        socket: 'socket(my $s, 2, 1, 0)',
        'a local socket': 'socket(my $s, 1, 1, 0)',
        pipe: 'pipe(my $a, my $b)',
        execve: `exec("${own}/file")`,
        'reading a file': `open(my $f, "<", "${own}/file")`,
        'writing a file': `open(my $f, ">", "${own}/new")`,
        'opening a pipe': `sysopen(my $f, "${own}/pipe", 04000)`,
        mkdir: `mkdir("${own}/made")`,
        unlink: `unlink("${own}/file")`,
        rename: `rename("${own}/file", "${own}/other")`,
        link: `symlink("a", "${own}/link")`,
        chmod: `chmod(0777, "${own}/file")`,
        chroot: 'chroot(".")',
        kill: 'kill(9, getppid())',
        setuid: '(syscall($call{setresuid}, 0, 0, 0) == 0)',
        unshare: '(syscall($call{unshare}, $CLONE_NEWUSER) == 0)',
        mount: '(syscall($call{mount}, my $n = "none", my $t = "/arc", my $y = "tmpfs", 0, my $e = "") == 0)',
      }
      const code = Object.entries(attempts).map(
        ([name, attempt]) =>
          `{ $! = 0; no warnings; my $ok = ${attempt}; $say->("${name}: " . ($ok ? "done" : $! + 0)) }`,
      )
      assert.deepEqual(
        await said(code.join(' ')),
        Object.keys(attempts).map((name) => `${name}: 1`),
        'each fails with EPERM',
      )
      assert.deepEqual(await said(`$say->(opendir(my $d, "${own}") ? "read" : "no")`), ['read'])
    })

    it('is the user, without capabilities, in a view of its own', async () => {
      // Before the filter of system calls, which hides them.
      const text = await readFile(join(import.meta.dirname, 'look.pl'), 'utf8')
      const place = '    my $filter = filter();\n'
      assert.ok(text.includes(place))
      const program = join(await mkdtemp(join(folder, 'program-')), 'look.pl')
      const facts =
        'record("f 1 1 $< $> $( $)"); opendir my $d, "/"; record("f 1 1 " . join ",", sort grep { !/^\\./ } readdir $d);'
      await writeFile(program, text.replace(place, `${facts}\n${place}`))
      const [ids, ...rest] = await open({ program }).stat(ada, ['/arc'])
      assert.equal(ids?.path.split(' ').slice(0, 2).join(), '20000,20000')
      assert.deepEqual(new Set(ids?.path.split(' ').slice(2)), new Set(['20000', '40000']))
      assert.equal(rest[0]?.path, 'arc')
    })

    it('is killed at the end of its time, and the next look is answered', async () => {
      const endless = await trying('1 while 1')
      await assert.rejects(endless.stat(ada, ['/arc'], { seconds: 1 }), LookBusy)
      assert.deepEqual(paths(await endless.glob(ada, '/arc/projects/survey/*')), ['/arc/projects/survey/b.fits'])
    })

    it('is killed when its caller leaves', async () => {
      const endless = await trying('1 while 1')
      const leaving = new AbortController()
      const answer = endless.stat(ada, ['/arc'], { signal: leaving.signal })
      leaving.abort(new Error('left'))
      await assert.rejects(answer, /left/)
      assert.deepEqual(paths(await endless.glob(ada, '/arc/projects/survey/*')), ['/arc/projects/survey/b.fits'])
    })

    it('gives what it has found at the end of its time', async () => {
      const text = await readFile(join(import.meta.dirname, 'look.pl'), 'utf8')
      const program = join(await mkdtemp(join(folder, 'program-')), 'look.pl')
      await writeFile(program, text.replace('sub report {', 'sub report { $ends_at = 0 if $written == 2;'))
      const answer = await open({ program }).list(ada, '/arc/home/ada/night')
      assert.deepEqual([answer.files.length, answer.cut], [2, 'time'])
    })

    it('takes no more memory than its limit, and fails alone', async () => {
      const greedy = await trying('my @all; push @all, "x" x (1 << 20) . @all while 1')
      await assert.rejects(greedy.stat(ada, ['/arc']), LookFailed)
      assert.deepEqual(paths(await greedy.glob(ada, '/arc/projects/survey/*')), ['/arc/projects/survey/b.fits'])
    })

    it('fails with its server, and the next look starts another', async () => {
      const text = await readFile(join(import.meta.dirname, 'look.pl'), 'utf8')
      const program = join(await mkdtemp(join(folder, 'program-')), 'look.pl')
      const kills = 'sub confine { if ($_[0]{do} eq "stat") { kill $SIGKILL, getppid(); sleep 60 }'
      await writeFile(program, text.replace('sub confine {', kills))
      const killing = open({ program })
      await assert.rejects(killing.stat(ada, ['/arc']), LookFailed)
      assert.deepEqual(paths(await killing.glob(ada, '/arc/projects/survey/*')), ['/arc/projects/survey/b.fits'])
    })
  })
})
