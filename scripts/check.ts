/**
 * `npm run check`: types, lint, format, dead code, imports, the lock and the tests, in that order. A failure does not stop the
 * later checks. `npm run check -- --no-tests` skips the tests. Types and format have a cache in node_modules/.cache. Exits with 1 after any failure.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { importComplaints } from './check-imports.ts'
import { type Lock, missingEntries } from './complete-lock.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Checks and their commands. */
const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  types: ['node_modules/.bin/tsc', '-p', '.', '--incremental', '--tsBuildInfoFile', 'node_modules/.cache/tsc.json'],
  lint: ['node_modules/.bin/oxlint', '--deny-warnings'],
  format: [
    'node_modules/.bin/prettier',
    '--check',
    '--cache',
    '--cache-strategy',
    'content',
    '--log-level',
    'warn',
    '.',
  ],
  'dead code': ['node_modules/.bin/knip', '--no-config-hints'],
}

/** The dependencies in a package.json, and in its entry of the lock. */
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}
const dependenciesOf = ({ dependencies = {}, devDependencies = {} }: Manifest) => ({ dependencies, devDependencies })

/** The faults of package-lock.json, one per line. */
function lockFaults(lock: Lock): string[] {
  const missing = Object.keys(missingEntries(lock)).map((place) => `${place} is missing: run scripts/complete-lock.ts`)
  const scripted = Object.entries(lock.packages)
    .filter(([, entry]) => entry.hasInstallScript === true && entry.optional !== true)
    .map(([place]) => `${place} has an install script, which scripts/setup does not run: choose another package`)
  const outOfStep = Object.entries(lock.packages)
    .filter(([place]) => place === '' || place.startsWith('packages/'))
    .filter(([place, entry]) => {
      const wanted = JSON.parse(readFileSync(join(root, place, 'package.json'), 'utf8')) as Manifest
      return !isDeepStrictEqual(dependenciesOf(wanted), dependenciesOf(entry))
    })
    .map(([place]) => `${join(place, 'package.json')} differs from the lock: run npm install --package-lock-only`)
  return [...missing, ...scripted, ...outOfStep]
}

function report(subject: string, failed: boolean, startedAt: number, output = ''): boolean {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`${failed ? 'FAILED' : 'ok    '} ${subject.padEnd(10)} ${seconds.padStart(5)} s`)
  if (failed) console.log(output.trimEnd())
  return !failed
}

const results = Object.entries(commands).map(([subject, [program, ...args]]) => {
  const startedAt = performance.now()
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: root, encoding: 'utf8' })
  return report(subject, status !== 0, startedAt, error ? error.message : stdout + stderr)
})

const importsStartedAt = performance.now()
const imports = importComplaints(root)
results.push(report('imports', imports.length > 0, importsStartedAt, imports.join('\n')))

const startedAt = performance.now()
const faults = lockFaults(JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as Lock)
results.push(report('lock', faults.length > 0, startedAt, faults.join('\n')))

if (!process.argv.includes('--no-tests')) {
  results.push(spawnSync('scripts/run', ['test'], { cwd: root, stdio: 'inherit' }).status === 0)
}
process.exitCode = results.includes(false) ? 1 : 0
