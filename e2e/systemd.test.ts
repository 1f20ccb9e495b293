import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { eventually, onKubernetes, Platform } from './support/platform.ts'

const unit = fileURLToPath(new URL('../deploy/systemd/science-platform.service', import.meta.url))

test('the unit file keeps jobs alive, and systemd accepts it', (context) => {
  const text = readFileSync(unit, 'utf8')
  for (const line of ['KillMode=process', 'Delegate=yes']) assert.ok(text.split('\n').includes(line), line)
  if (spawnSync('systemd-analyze', ['--version']).error !== undefined) return context.skip('systemd is not installed')
  const root = mkdtempSync(join(tmpdir(), 'unit-'))
  try {
    // A root file system with the units that ours refers to, and the program.
    for (const folder of ['etc/systemd/system', 'usr/lib/systemd', 'opt/science-platform/bin'])
      mkdirSync(join(root, folder), { recursive: true })
    cpSync('/usr/lib/systemd/system', join(root, 'usr/lib/systemd/system'), { recursive: true })
    cpSync(unit, join(root, 'etc/systemd/system/science-platform.service'))
    const program = join(root, 'opt/science-platform/bin/science-platform')
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 })
    const { status, stdout, stderr } = spawnSync(
      'systemd-analyze',
      ['verify', `--root=${root}`, '--man=no', '--recursive-errors=no', 'science-platform.service'],
      { encoding: 'utf8' },
    )
    const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('science-platform'))
    assert.deepEqual([status, ours], [0, []], stderr)
  } finally {
    rmSync(root, { recursive: true })
  }
})

/** The hierarchy by which systemd follows the processes of a unit. */
const hierarchy = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup'].find((folder) =>
  existsSync(join(folder, 'cgroup.procs')),
)
const skip =
  onKubernetes || process.geteuid?.() !== 0 || hierarchy === undefined
    ? 'this takes root, control groups and EXECUTOR=oci'
    : false

test('jobs go on when SIGTERM goes to the whole control group of the server', { skip }, async () => {
  await using platform = await Platform.make()
  const group = join(hierarchy ?? '', `unit-test-${process.pid}`)
  mkdirSync(group)
  try {
    await platform.start()
    writeFileSync(join(group, 'cgroup.procs'), `${platform.serverPid}`)
    const id = await platform.submit(
      'trap "echo told" TERM; echo up; until [ -e go ]; do sleep 0.1; done; echo down; exit 5',
    )
    await platform.becomes(id, 'running')
    await eventually('its first words', async () => (await platform.logOf(id)) !== '')
    const members = readFileSync(join(group, 'cgroup.procs'), 'utf8').trim().split('\n')
    assert.ok(members.includes(String(platform.serverPid)))
    for (const pid of members) if (pid !== String(platform.serverPid)) process.kill(Number(pid), 'SIGTERM')
    assert.equal(await platform.stop('SIGTERM'), 0)
    await platform.start()
    writeFileSync(join(platform.dataDir, 'arc/home/ada/go'), '')
    const job = await platform.ended(id)
    assert.deepEqual([job.exitCode, job.attempts.length, await platform.logOf(id)], [5, 1, 'up\ndown\n'])
  } finally {
    await platform.stop('SIGTERM')
    await eventually('the group to be empty', async () => {
      try {
        rmdirSync(group)
        return true
      } catch {
        return false
      }
    })
  }
})
