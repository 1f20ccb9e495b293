/**
 * Checks imports between folders and finds import cycles, also of types. `npm run check` runs it. docs/architecture.md draws
 * the table.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseSync } from 'oxc-parser'

/** Folders that the use cases, and everything above them, may import. */
const belowActions = [
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
]

/** Folders of the server, from the lowest to the highest, each with the folders that it may import. */
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
  actions: belowActions,
  http: ['actions', ...belowActions],
  commands: ['http', 'actions', ...belowActions],
}

/** Ports of folders with drivers. Other folders may import only the port; `commands` passes them the drivers. */
const ports: Readonly<Record<string, RegExp>> = {
  store: /^store\/[^/]+\.ts$/,
  executor: /^executor\/[^/]+\.ts$/,
}

const source = 'packages/server/src/'

/** Test code may import everything. */
const isTest = (file: string): boolean => /\.test\.ts$|\/testing\/|-contract\.ts$/.test(file)

/** The files that a file imports, also only for types. */
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
function faultOf(from: string, to: string): string | undefined {
  const [folder = '', ...inside] = from.slice(source.length).split('/')
  const [target = ''] = to.slice(source.length).split('/')
  // Files outside of all folders, such as main.ts, may import everything.
  if (inside.length === 0 || folder === target || !to.startsWith(source)) return undefined
  const allowed = serverFolders[folder]
  if (allowed === undefined) return `${folder}/ is not in the table of scripts/check-imports.ts`
  if (!allowed.includes(target)) return `${folder}/ may import ${allowed.join(', ') || 'nothing'}, not ${target}/`
  const port = ports[target]
  if (port !== undefined && folder !== 'commands' && !port.test(to.slice(source.length)))
    return `only the port of ${target}/ may be imported`
  return undefined
}

/** Import cycles of any length, each once. Pure. */
export function cycles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
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

/** All forbidden imports and cycles of a checkout, one per line. */
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
          const why = faultOf(file, target)
          return why === undefined ? [] : [`${file} imports ${target}: ${why}`]
        }),
  )
  return [...across, ...cycles(imports).map((cycle) => `${cycle.join(' → ')}: import cycle`)]
}
