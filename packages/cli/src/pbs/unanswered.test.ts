import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ProblemError, UnreachableError } from '@science-platform/client'
import { submitOnce } from './unanswered.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'qsub-'))
})
after(() => rm(folder, { recursive: true }))

/** The id of a process that has ended. */
const endedPid = (): string => execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim()

/** Submits, and lets the record be that of a process that has ended. Returns the key. */
async function lost(request: string): Promise<string> {
  let used = ''
  const error = new UnreachableError('http://127.0.0.1:1', 'no answer')
  await assert.rejects(
    submitOnce(request, folder, (key) => {
      used = key
      return Promise.reject(error)
    }),
    error,
  )
  const name = (await readdir(folder)).find((each) => each.includes(used)) ?? ''
  await rename(join(folder, name), join(folder, name.replace(`.${process.pid}@`, `.${endedPid()}@`)))
  return used
}

const keyOf = (request: string): Promise<string> => submitOnce(request, folder, (key) => Promise.resolve(key))

test('a submission without an answer is repeated with its key, once, and only for the same request', async () => {
  const key = await lost('a')
  assert.notEqual(await keyOf('b'), key)
  assert.equal(await keyOf('a'), key)
  assert.notEqual(await keyOf('a'), key)
  assert.deepEqual(await readdir(folder), [])
})

test('of two repetitions at the same time only one has the key', async () => {
  const key = await lost('c')
  const keys = await Promise.all([keyOf('c'), keyOf('c'), keyOf('c')])
  assert.equal(keys.filter((each) => each === key).length, 1)
  assert.equal(new Set(keys).size, 3)
})

test('the record of a process that lives, of another machine, or of yesterday is not used', async () => {
  const key = await lost('d')
  const [name = ''] = await readdir(folder)
  const [mine, living] = [hostname(), `.${process.ppid}@${hostname()}`]
  const named = name.replace(/\.\d+@.*$/, living)
  await rename(join(folder, name), join(folder, named))
  assert.notEqual(await keyOf('d'), key)
  await rename(join(folder, named), join(folder, name.replace(`@${mine}`, '@elsewhere')))
  assert.notEqual(await keyOf('d'), key)
  await rename(join(folder, name.replace(`@${mine}`, '@elsewhere')), join(folder, name))
  const yesterday = Date.now() / 1000 - 25 * 3_600
  await utimes(join(folder, name), yesterday, yesterday)
  assert.notEqual(await keyOf('d'), key)
  assert.deepEqual(await readdir(folder), [])
})

test('a refused submission leaves no record', async () => {
  const refusal = new ProblemError({ type: 'about:blank', status: 400, message: 'no' } as never)
  await assert.rejects(submitOnce('e', folder, () => Promise.reject(refusal)))
  assert.deepEqual(await readdir(folder), [])
})

test('without a folder to write to, a submission is made all the same', async () => {
  await writeFile(join(folder, 'file'), '')
  assert.match(await submitOnce('f', join(folder, 'file/below'), (key) => Promise.resolve(key)), /^[0-9a-f-]{36}$/)
})
