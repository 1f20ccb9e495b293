/**
 * Completes package-lock.json with the optional packages of other platforms.
 *
 * npm writes no entry for an optional package that the registry lacks, and registry mirrors lack packages of some platforms.
 * `npm ci` then refuses the lock. This program adds the missing entries with the exact version and the platform in the name, so
 * that npm skips them on other platforms. They have no integrity, because the package was not available. Run it after every
 * change of a dependency: `.node/bin/node scripts/complete-lock.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface LockedPackage {
  version?: string
  optional?: boolean
  dev?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  hasInstallScript?: boolean
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}
/** The used part of package-lock.json (version 3). */
export interface Lock {
  packages: Record<string, LockedPackage>
}

const operatingSystems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'sunos', 'win32']
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

/** The platform in a name such as `@oxlint/binding-linux-arm64-musl`; undefined for a name without one. */
export function platformOf(name: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> | undefined {
  const words = name.split(/[/-]/)
  const os = words.find((word) => operatingSystems.includes(word))
  const cpu = words.find((word) => processors.includes(word))
  if (os === undefined || cpu === undefined) return undefined
  const libc = words.includes('musl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : undefined
  return { os: [os], cpu: [cpu], ...(libc && os === 'linux' ? { libc } : {}) }
}

/** The missing entries, by their keys in the lock. */
export function missingEntries(lock: Lock): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {}
  for (const [path, parent] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if (`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages) continue
      const platform = platformOf(name)
      if (!platform)
        throw new Error(`package-lock.json lacks ${name} (required by ${path}), whose name contains no platform`)
      if (!/^\d+\.\d+\.\d+$/.test(version)) {
        throw new Error(
          `package-lock.json lacks ${name}, and ${path} requires ${version}, which is not an exact version`,
        )
      }
      missing[`node_modules/${name}`] = { version, ...platform, ...(parent.dev ? { dev: true } : {}), optional: true }
    }
  }
  return missing
}

if (import.meta.main) {
  const path = fileURLToPath(new URL('../package-lock.json', import.meta.url))
  const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock
  const missing = missingEntries(lock)
  const byPlace = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)
  lock.packages = Object.fromEntries([...Object.entries(lock.packages), ...Object.entries(missing)].toSorted(byPlace))
  writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`)
  console.log(`package-lock.json: ${Object.keys(missing).length} entries added`)
}
