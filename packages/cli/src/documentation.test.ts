import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { causeCodes } from '@science-platform/contract/causes'
import { troubleshootingTopics } from '@science-platform/contract/troubleshooting'
import { exitCodes } from './exit-codes.ts'
import { createProgram } from './program.ts'

const text = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8')

test('docs/cli.md has the table of exit codes', () => {
  const rows = [...text.matchAll(/^\| (\d+) +\| (.*?) +\|$/gm)].map(([, code, meaning]) => ({
    code: Number(code),
    meaning,
  }))
  assert.deepEqual(rows, Object.values(exitCodes))
})

test('docs/cli.md has a section for every command and names every subcommand and option', async () => {
  const program = await createProgram({ words: ['completion'], command: [] })
  for (const command of program.commands.filter((each) => each.name() !== 'help')) {
    const section = new RegExp(`^## ${command.name()}\n([^]*?)(?=^## )`, 'm').exec(text)?.[1]
    assert.ok(section !== undefined, `docs/cli.md has no section '${command.name()}'`)
    for (const option of command.options)
      assert.ok(
        [option.long, option.short].some((flag) => flag != null && section.includes(flag)),
        `the section '${command.name()}' does not name ${option.flags}`,
      )
    for (const child of command.commands) {
      const name = new RegExp(`\\b${child.name()}\\b`)
      assert.match(section, name, `the section '${command.name()}' does not name ${child.name()}`)
    }
  }
})

test('docs/troubleshooting.md has a place for every cause and remark', async () => {
  const page = await readFile(new URL('../../../docs/troubleshooting.md', import.meta.url), 'utf8')
  const places = [...page.matchAll(/^### (.+)$/gm)].map(([, place = '']) => place)
  for (const place of [...causeCodes, ...troubleshootingTopics]) assert.ok(places.includes(place), place)
  // The address of a heading is its text where it has small letters and hyphens alone.
  for (const place of places) assert.match(place, /^[a-z-]+$/)
  for (const [link, place = ''] of page.matchAll(/see: docs\/troubleshooting\.md#([a-z-]+)/g))
    assert.ok(places.includes(place), link)
})

test('examples in docs/cli.md fit 80 columns, but for one-line messages', () => {
  const isExample = (line: string): boolean =>
    line.startsWith('    ') && !line.includes('exit code 137: The job needed')
  for (const line of text.split('\n').filter(isExample)) assert.ok(line.length - 4 <= 80, line)
})
