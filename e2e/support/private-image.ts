import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Jobs } from '@science-platform/client'
import type { JobRequest } from '@science-platform/contract'
import { busyboxImage } from '../../packages/server/src/image/testing/busybox-image.ts'
import { pushImage, startRegistry, type TestRegistry } from '../../packages/server/src/image/testing/registry.ts'
import type { Platform } from './platform.ts'

const account = { user: 'ada', password: 'of-the-registry' }

/** A busybox image in its own registry, which accepts a single account. */
export class PrivateImage implements AsyncDisposable {
  readonly account = account
  readonly #folder: string
  readonly #registry: TestRegistry

  private constructor(folder: string, registry: TestRegistry) {
    this.#folder = folder
    this.#registry = registry
  }

  static async push(): Promise<PrivateImage> {
    const folder = await mkdtemp(join(tmpdir(), 'private-image-'))
    const registry = await startRegistry(join(folder, 'registry'), { account })
    await busyboxImage({ archive: join(folder, 'image.tar') })
    await pushImage(join(folder, 'image.tar'), registry, 'private/busybox:1', { account })
    return new PrivateImage(folder, registry)
  }

  /** The configuration, in YAML, with which a platform accepts the image. */
  get settings(): string {
    return `images: {registries: ['${this.host}'], insecure: ['${this.host}']}\n`
  }

  /** The reference of the image. */
  get reference(): string {
    return `${this.host}/private/busybox:1`
  }

  get host(): string {
    return this.#registry.host
  }

  /** Submits a job with the credentials that runs a shell line in the image. */
  async submit({ url, token }: Platform, line: string, request: Partial<JobRequest> = {}): Promise<string> {
    const { user: username, password: secret } = account
    const jobs = new Jobs({ url, token, registry: { username, secret } })
    const asked = { name: 'private', image: this.reference, cmd: 'sh', args: ['-c', line], ...request }
    const [id = ''] = (await jobs.submit(asked)).ids
    return id
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
