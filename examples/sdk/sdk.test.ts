import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { recordingServer, type Recorded, type Reply } from '@science-platform/client/testing/recording-server'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Runs an example as its first lines say and returns what it printed. */
async function run(
  name: string,
  answer: (request: Recorded) => Reply,
  environment: Record<string, string> = {},
): Promise<string> {
  const server = await recordingServer(answer)
  try {
    const child = spawn(process.execPath, [here(name)], {
      env: { PATH: process.env['PATH'] ?? '', CANFAR_URL: `${server.url}/skaha/v1`, CANFAR_TOKEN: 't', ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let printed = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
    assert.deepEqual(await once(child, 'close'), [0, null])
    return printed
  } finally {
    await server.close()
  }
}

const ended = { id: 'k3x9a0qz', state: 'succeeded', exitCode: 0, usage: { cpuSeconds: 0.25 } }

test('submit.ts runs a job to its end', async () => {
  const printed = await run('submit.ts', ({ method, url, headers }) => {
    if (url.endsWith('/wait')) return { body: { ended: [{ id: 'k3x9a0qz' }], unknown: [] } }
    if (method === 'POST') return { status: 201, body: { ids: ['k3x9a0qz'] } }
    if (!url.includes('/logs')) return { body: ended }
    return headers['range'] === undefined ? { body: '2\n' } : { status: 206 }
  })
  assert.equal(printed, '2\nk3x9a0qz succeeded, exit code 0, CPU 0.25 s\n')
})

test('sessions.ts runs replicas and removes them', async () => {
  const printed = await run('sessions.ts', ({ method, url }) => {
    const replica = /name=parameter-study-(\d)/.exec(url)?.[1] ?? /session\/id-(\d)/.exec(url)?.[1]
    if (method === 'POST') return { body: `id-${replica}\n` }
    if (url.includes('view=logs')) return { body: `replica ${replica} of 4\n` }
    if (url.includes('status=')) return { body: [{ id: 'id-1', name: 'parameter-study-1' }] }
    return { body: { id: `id-${replica}`, status: 'Completed' } }
  })
  const lines = [1, 2, 3, 4].map((replica) => `id-${replica}: replica ${replica} of 4`)
  assert.equal(printed, [...lines, `{ 'id-1': true }`, ''].join('\n'))
})

test('share.ts takes the share of its replica', async () => {
  const printed = await run('share.ts', () => ({}), { REPLICA_ID: '3', REPLICA_COUNT: '3' })
  assert.equal(
    printed,
    [
      'reduce frame-2.fits',
      'reduce frame-5.fits',
      'reduce frame-8.fits',
      'stack frame-6.fits frame-7.fits frame-8.fits frame-9.fits',
      '',
    ].join('\n'),
  )
})

test('errors.ts tells what went wrong', async () => {
  const problem = {
    type: 'urn:science-platform:problem:invalid-request',
    title: 'T',
    status: 400,
    detail: 'The name may not hold _.',
    hint: 'Use a name such as bad-name.',
    field: 'name',
  }
  const printed = await run('errors.ts', ({ url }) => {
    if (url.startsWith('/api/')) return { status: 400, body: problem }
    return url.includes('study-2') ? { status: 400, body: 'no' } : { body: 'k3x9a0qz' }
  })
  assert.match(printed, /^invalid-request in name: The name may not hold _\. Use a name such as bad-name\.\n/)
  assert.match(printed, /^study-1 is k3x9a0qz\nstudy-2 failed: SessionRequestError: .* no \(HTTP 400\)\nstudy-3 is/m)
})

test('docs/sdk.md shows these very files', async () => {
  const text = await readFile(here('../../docs/sdk.md'), 'utf8')
  const shown = [...text.matchAll(/<!-- (examples\/sdk\/\S+) -->\n+```ts\n([^]*?)```/g)]
  assert.deepEqual(shown.map(([, name]) => name).toSorted(), [
    'examples/sdk/errors.ts',
    'examples/sdk/sessions.ts',
    'examples/sdk/share.ts',
    'examples/sdk/submit.ts',
  ])
  for (const [, name = '', code] of shown) assert.equal(code, await readFile(here(`../../${name}`), 'utf8'), name)
})
