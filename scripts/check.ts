/**
 * `npm run check`: types, lint, format, dead code, imports, the lock and the tests, in that order, and all of them even when one
 * fails. `npm run check -- --no-tests` leaves the tests out. Exits with 1 when anything failed.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { importComplaints } from './check-imports.ts'
import { type Lock, missingEntries } from './complete-lock.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What is checked, and the command that does it. */
const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  types: ['node_modules/.bin/tsc', '-p', '.'],
  lint: ['node_modules/.bin/oxlint', '--deny-warnings'],
  format: ['node_modules/.bin/prettier', '--check', '--log-level', 'warn', '.'],
  'dead code': ['node_modules/.bin/knip', '--no-config-hints'],
}

/** What a package.json, and the lock after it, say of a package's dependencies. */
interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}
const dependenciesOf = ({ dependencies = {}, devDependencies = {} }: Manifest) => ({ dependencies, devDependencies })

/** What is wrong with package-lock.json, a line each. */
function complaintsAboutLock(lock: Lock): string[] {
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
    .map(
      ([place]) => `${join(place, 'package.json')} is out of step with the lock: run npm install --package-lock-only`,
    )
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
const complaints = complaintsAboutLock(JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as Lock)
results.push(report('lock', complaints.length > 0, startedAt, complaints.join('\n')))

if (!process.argv.includes('--no-tests')) {
  results.push(spawnSync('scripts/run', ['test'], { cwd: root, stdio: 'inherit' }).status === 0)
}
process.exitCode = results.includes(false) ? 1 : 0
