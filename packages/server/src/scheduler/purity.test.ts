import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { test } from 'node:test'

/** A file and all that it imports, except for types. */
async function importedBy(file: URL, found = new Map<string, string>()): Promise<ReadonlyMap<string, string>> {
  if (found.has(file.href)) return found
  const text = await readFile(file, 'utf8')
  found.set(file.href, text)
  for (const [, specifier = ''] of text.matchAll(/^(?:import|export) (?!type )[^'"]*from '([^']+)'/gm)) {
    assert.ok(specifier.startsWith('.'), `${file.pathname} imports ${specifier}`)
    await importedBy(new URL(specifier, file), found)
  }
  return found
}

test('the planner, its forecasts and its simulations decide from their arguments alone', async () => {
  for (const entrance of [
    'planner/planner.ts',
    'forecast/forecast.ts',
    'forecast/simulate.ts',
    'forecast/calibration.ts',
    'rules/share.ts',
  ]) {
    for (const [file, text] of await importedBy(new URL(entrance, import.meta.url))) {
      const code = text.replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, '')
      const impure =
        /\b(Date\.now|new Date\(\)|Math\.random|performance|process|fetch|setTimeout|setImmediate|await)\b/.exec(code)
      assert.equal(impure, null, `${file} uses ${impure?.[0]}`)
    }
  }
})

test('one function decides what starts, and only the planner calls it: for production, why, forecasts and simulations', async () => {
  const folder = new URL('.', import.meta.url)
  const callers = []
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue
    if (/^import (?!type )[^'"]*from '[./a-z]*\/cycle\.ts'/m.test(await readFile(new URL(name, folder), 'utf8')))
      callers.push(name)
  }
  assert.deepEqual(callers.toSorted(), ['planner/planner.ts', 'planner/what-if.ts'])
})
