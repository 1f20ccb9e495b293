/**
 * Completes package-lock.json with the optional packages of other platforms.
 *
 * npm writes no entry for an optional package that the registry did not hand out, as mirrors do with platforms they do
 * not carry, and `npm ci` then refuses the lock as out of step. This adds an entry for each: the exact version, and the
 * platform that its name tells, so that npm passes it over everywhere else. It carries no integrity, for nobody here
 * has seen the package. Run it after every change of a dependency: `.node/bin/node scripts/complete-lock.ts`.
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
/** The part of package-lock.json (version 3) that matters here. */
export interface Lock {
  packages: Record<string, LockedPackage>
}

const operatingSystems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'openharmony', 'sunos', 'win32']
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']

/** The platform in a name such as `@oxlint/binding-linux-arm64-musl`; undefined where the name tells none. */
export function platformOf(name: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> | undefined {
  const words = name.split(/[/-]/)
  const os = words.find((word) => operatingSystems.includes(word))
  const cpu = words.find((word) => processors.includes(word))
  if (os === undefined || cpu === undefined) return undefined
  const libc = words.includes('musl') ? ['musl'] : words.includes('gnu') ? ['glibc'] : undefined
  return { os: [os], cpu: [cpu], ...(libc && os === 'linux' ? { libc } : {}) }
}

/** The entries that the lock lacks, by their place in it. */
export function missingEntries(lock: Lock): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {}
  for (const [path, parent] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if (`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages) continue
      const platform = platformOf(name)
      if (!platform)
        throw new Error(`package-lock.json lacks ${name} (wanted by ${path}), whose name tells no platform`)
      if (!/^\d+\.\d+\.\d+$/.test(version)) {
        throw new Error(`package-lock.json lacks ${name}, and ${path} wants ${version}, which is not one version`)
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
