import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { busyboxImage } from '../../packages/server/src/image/testing/busybox-image.ts'
import { pushImage, startRegistry, type TestRegistry } from '../../packages/server/src/image/testing/registry.ts'
import { Platform } from '../support/platform.ts'
import { clientConfiguration, configuredHome, lastingLogin } from './client-configuration.ts'
import {
  clientEnvironment,
  clientNames,
  clientsHere,
  ourCanfar,
  PublishedClient,
  type ClientName,
} from './published-client.ts'

/** The reference server refuses a secret with a colon. */
const account = { user: 'ada', password: 'se:cr:et' }

let folder: string
let registry: TestRegistry
let platform: Platform

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-private-'))
  registry = await startRegistry(join(folder, 'registry'), { account })
  // One image per test, because access to an image is cached for a while.
  for (const [number, name] of ['none', 'ours', 'configured-1', 'configured-2', ...clientNames].entries()) {
    const archive = join(folder, 'image.tar')
    await busyboxImage({ archive, env: [`NUMBER=${number}`] })
    await pushImage(archive, registry, `private/${name}:1`, { account })
    await rm(archive)
  }
  platform = await Platform.make(
    `images: {registries: [images.canfar.net], aliases: {images.canfar.net: '${registry.host}'}, insecure: ['${registry.host}']}\n`,
  )
  await platform.start()
})
after(async () => {
  await platform[Symbol.asyncDispose]()
  await registry.stop()
  await rm(folder, { recursive: true })
})

/** The output of the script about its session. */
interface Told {
  readonly status: string
  readonly cause?: { readonly code: string; readonly hint?: string }
  readonly log: string
}

/** Runs an image with a client's library. @param args arguments of the client in the program */
async function run(
  name: ClientName,
  environment: NodeJS.ProcessEnv,
  image: string,
  args: readonly string[] = [],
): Promise<Told> {
  const client = await PublishedClient.install(name)
  const asked = { ...environment, ACCEPTANCE_IMAGE: image }
  const { code, stdout, stderr } = await client.python(['private_image.py', image, ...args], asked)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout.split('\n').at(-2) ?? '') as Told
}

/** Runs an image with credentials in the form of the client, or without. */
async function runPrivate(
  name: ClientName,
  image: string,
  credentials?: { readonly user: string; readonly password: string },
): Promise<Told> {
  const environment = await clientEnvironment(platform, name)
  if (credentials === undefined) return run(name, environment, image)
  const { user, password } = credentials
  if (name === 'skaha-1.7.0') return run(name, environment, image, [user, password])
  const variables = { CANFAR_REGISTRY__USERNAME: user, CANFAR_REGISTRY__SECRET: password }
  return run(name, { ...environment, ...variables }, image)
}

describe('a private image', () => {
  for (const name of clientsHere) {
    it(`runs for ${name} with the credentials of its registry, and not without`, async () => {
      const image = `images.canfar.net/private/${name}:1`
      const refused = await runPrivate(name, image)
      assert.deepEqual([refused.status, refused.cause?.code], ['Failed', 'image-unauthorized'])
      const wrong = await runPrivate(name, image, { user: 'ada', password: 'se:cr' })
      assert.deepEqual([wrong.status, wrong.cause?.code], ['Failed', 'image-unauthorized'])
      const { status, log } = await runPrivate(name, image, account)
      assert.deepEqual([status, log], [name === 'skaha-1.7.0' ? 'Succeeded' : 'Completed', 'ran\n'])
    })
  }

  for (const [version, name] of [
    [1, 'canfar-1.4.1'],
    [2, 'canfar-1.5.2'],
  ] as const) {
    if (clientsHere.includes(name))
      it(`runs for ${name} with the credentials of its configuration`, async () => {
        const login = version === 1 ? lastingLogin(platform) : {}
        const registry = { username: account.user, secret: account.password }
        const configuration = { ...clientConfiguration(platform, version, 'mysite', login), registry }
        const environment = await configuredHome(platform, `configured-${version}`, configuration)
        const { status, log } = await run(name, environment, `images.canfar.net/private/configured-${version}:1`)
        assert.deepEqual([status, log], ['Completed', 'ran\n'])
      })
  }

  it('runs for our command line with the same variables', async () => {
    const environment = {
      ...(await clientEnvironment(platform, 'ours')),
      CANFAR_REGISTRY__USERNAME: account.user,
      CANFAR_REGISTRY__SECRET: account.password,
    }
    const create = ['create', '--follow', '-n', 'ours', 'headless', 'private/ours:1', '--', 'echo', 'ran']
    const { code, stdout, stderr } = await ourCanfar(create, environment)
    assert.deepEqual([code, stdout], [0, 'ran\n'], stderr)
  })

  it('does not leave its secret in a log', async () => {
    await runPrivate('canfar-1.5.2', 'images.canfar.net/private/none:1', account)
    assert.ok(platform.log.length > 0)
    for (const secret of [account.password, Buffer.from(`${account.user}:${account.password}`).toString('base64')])
      assert.ok(!platform.log.includes(secret))
  })
})
