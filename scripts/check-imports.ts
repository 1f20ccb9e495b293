/**
 * Which folder may import which, and that no two files import each other, not even for types. `npm run check` runs it. The
 * table is the drawing in docs/architecture.md.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'

/** Folders of the server, from the lowest to the highest, each with the folders below it that it may import. */
const serverFolders: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  job: ['lib'],
  configuration: ['job', 'lib'],
  metrics: ['job', 'lib'],
  audit: ['lib', 'job'],
  store: ['job', 'audit', 'lib', 'configuration', 'metrics'],
  image: ['job', 'lib', 'configuration', 'metrics'],
  executor: ['image', 'job', 'lib', 'configuration', 'metrics'],
  access: ['image', 'store', 'audit', 'job', 'lib', 'configuration', 'metrics'],
  scheduler: ['executor', 'store', 'job', 'lib', 'configuration', 'metrics'],
  actions: ['scheduler', 'executor', 'access', 'image', 'store', 'audit', 'job', 'lib', 'configuration', 'metrics'],
  http: [
    'actions',
    'scheduler',
    'executor',
    'access',
    'image',
    'store',
    'audit',
    'job',
    'lib',
    'configuration',
    'metrics',
  ],
  commands: [
    'http',
    'actions',
    'scheduler',
    'executor',
    'access',
    'image',
    'store',
    'audit',
    'job',
    'lib',
    'configuration',
    'metrics',
  ],
}

/** Of these folders, those outside know the port alone; their drivers come in as arguments. `commands` chooses them. */
const ports: Readonly<Record<string, RegExp>> = {
  store: /^store\/[^/]+\.ts$/,
  executor: /^executor\/[^/]+\.ts$/,
}

const source = 'packages/server/src/'

/** Code that only tests run may import everything. */
const isTest = (file: string): boolean => /\.test\.ts$|\/testing\/|-contract\.ts$/.test(file)

/** The files that a file imports, also those of which it takes types alone. */
function importsOf(root: string, file: string): string[] {
  const { module } = parseSync(file, readFileSync(join(root, file), 'utf8'))
  const specifiers = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) => entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
  ]
  return [...new Set(specifiers)]
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => relative(root, join(root, dirname(file), specifier)))
}

/** Why a file of the server may not import another; undefined where it may. Pure. */
function complaint(from: string, to: string): string | undefined {
  const [folder = '', ...inside] = from.slice(source.length).split('/')
  const [target = ''] = to.slice(source.length).split('/')
  // main.ts and tests of the whole stand beside the folders.
  if (inside.length === 0 || folder === target || !to.startsWith(source)) return undefined
  const allowed = serverFolders[folder]
  if (allowed === undefined) return `${folder}/ is not in the table of scripts/check-imports.ts`
  if (!allowed.includes(target)) return `${folder}/ may import ${allowed.join(', ') || 'nothing'}, not ${target}/`
  const port = ports[target]
  if (port !== undefined && folder !== 'commands' && !port.test(to.slice(source.length)))
    return `${target}/ is known by its port alone`
  return undefined
}

/** Files that import each other over any number of steps, each circle once. Pure. */
export function circles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const start = path.indexOf(file)
    if (start >= 0) found.push([...path.slice(start), file])
    if (start >= 0 || done.has(file)) return
    path.push(file)
    for (const next of imports.get(file) ?? []) visit(next)
    path.pop()
    done.add(file)
  }
  for (const file of imports.keys()) visit(file)
  return found
}

/** Everything that is wrong with the imports of a checkout, a line each. */
export function importComplaints(root: string): string[] {
  const files = globSync('{packages/*/src,e2e,bench,scripts,examples}/**/*.ts', {
    cwd: root,
    exclude: ['**/node_modules/**'],
  })
  const imports = new Map(files.map((file) => [file, importsOf(root, file)]))
  const across = [...imports].flatMap(([file, targets]) =>
    !file.startsWith(source) || isTest(file)
      ? []
      : targets.flatMap((target) => {
          const why = complaint(file, target)
          return why === undefined ? [] : [`${file} imports ${target}: ${why}`]
        }),
  )
  return [...across, ...circles(imports).map((circle) => `${circle.join(' → ')}: files import each other`)]
}
