import {
  ImageInfo,
  ImageListQuery,
  ImagePage,
  ImagePull,
  ImageSummary,
  type ImageSummary as Summary,
} from '@science-platform/contract'
import Type from 'typebox'
import type { Caller } from '../../access/authenticate.ts'
import { isAdministrator } from '../../access/may-touch.ts'
import { typesOf } from '../../image/catalogue/image-types.ts'
import type { OfferedImage } from '../../image/catalogue/offered-images.ts'
import { callerOf } from '../server/guard.ts'
import { visibleImages } from '../views/visible-images.ts'
import { instant } from '../views/job-view.ts'
import { leaving } from '../server/leaving.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { Problem } from '../server/problem.ts'
import { registryAuth } from '../views/registry-auth.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'
import { printReference, type ImageReference } from '../../job/image-reference.ts'

/** Maximum time of a registry request about one image. Milliseconds. */
const describeMilliseconds = 20_000

const ImageAddress = Type.Object({
  reference: Type.String({
    maxLength: 512,
    description: 'The reference of an image, with encoded slashes.',
    examples: ['localhost/astro/source-extractor:1'],
  }),
})

/** `/images`: list and describe images, and fetch them before jobs need them. */
export function imageRoutes(
  app: ApiServer,
  parts: Pick<Dependencies, 'images' | 'catalogue' | 'pulls' | 'logins' | 'store' | 'checkImage'>,
): void {
  const { images, pulls, logins, store } = parts
  for (const schema of [ImageSummary, ImagePage, ImageInfo, ImagePull]) app.addSchema(schema)

  const pullsHere = (): NonNullable<typeof pulls> => {
    if (pulls !== undefined) return pulls
    throw new Problem('conflict', 'On this platform each node fetches images itself when a job starts on it.', {
      hint: 'Submit the job; no earlier fetch is possible.',
    })
  }

  const credentialsOf = async (caller: Caller, image: ImageReference, header: string | string[] | undefined) =>
    registryAuth(header) ?? logins.ofUser(caller.account.name, image)

  app.get(
    '/images',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listImages',
        summary: 'Images that the registries and the local store offer',
        description:
          'The answer comes from the last listings, which are renewed in the background. An image that was fetched with ' +
          'credentials is visible only to users who have run or fetched it.',
        querystring: ImageListQuery,
        response: {
          200: answer<ImagePage>('ImagePage', 'A page; next is the cursor of the next page'),
          ...problemResponses,
        },
      },
    },
    async (request) => {
      const { name, type, here, limit = 1000, cursor } = request.query
      const found = (await visibleImages(callerOf(request), parts)).filter(
        (image) =>
          (name === undefined || image.reference.includes(name.toLowerCase())) &&
          (type === undefined || image.types.includes(type.toLowerCase())) &&
          (here === undefined || (image.local !== undefined) === here) &&
          (cursor === undefined || image.reference > cursor),
      )
      const page = found.slice(0, limit)
      const last = page.at(-1)
      return {
        images: page.map(summary),
        ...(found.length > limit && last !== undefined ? { next: last.reference } : {}),
      }
    },
  )

  app.get(
    '/images/:reference',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getImage',
        summary: 'The contents of an image, and its last use',
        description:
          'The registry of the image decides whether you may read it, by your credentials for that registry.',
        params: ImageAddress,
        response: { 200: answer<ImageInfo>('ImageInfo', 'The image'), ...problemResponses },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const asked = parts.checkImage(request.params.reference)
      const reference = printReference(asked)
      const auth = await credentialsOf(caller, asked, request.headers['x-skaha-registry-auth'])
      const { signal, release } = leaving(app, reply, describeMilliseconds)
      try {
        const { platform, labels, createdAt, fits, ...image } = await images.describe(asked, {
          registryAuth: auth,
          signal,
        })
        const account = isAdministrator(caller) ? {} : { account: caller.account.name }
        const [use] = await store.imageUses({ image: reference, ...account })
        return {
          reference,
          ...image,
          entrypoint: [...image.entrypoint],
          cmd: [...image.cmd],
          env: [...image.env],
          ...(platform === undefined ? {} : platform),
          types: [...typesOf(labels)],
          labels: { ...labels },
          runsHere: fits,
          ...(createdAt === undefined ? {} : { createdAt }),
          ...(use === undefined ? {} : { lastUsed: { by: use.account, at: instant(use.at) } }),
        }
      } catch (error) {
        if (!signal.aborted) throw error
        throw new Problem('registry-unavailable', `The registry of ${reference} did not answer in time.`, {
          hint: 'Try again in a few minutes.',
          cause: error,
        })
      } finally {
        release()
      }
    },
  )

  app.post(
    '/images/:reference/pull',
    {
      config: { scope: 'submit' },
      schema: {
        operationId: 'pullImage',
        summary: 'Fetch an image before jobs need it',
        description:
          'The fetch runs in the background; GET returns its progress. A second request joins the first fetch.',
        params: ImageAddress,
        response: { 202: answer<ImagePull>('ImagePull', 'The fetch waits or runs'), ...problemResponses },
      },
    },
    async (request, reply) => {
      const caller = callerOf(request)
      const reference = parts.checkImage(request.params.reference)
      const auth = await credentialsOf(caller, reference, request.headers['x-skaha-registry-auth'])
      const pull = pullsHere().begin({ account: caller.account.name, reference, registryAuth: auth })
      if (pull === undefined) {
        throw new Problem('queue-full', 'You have reached the maximum of images that the platform fetches at once.', {
          hint: 'Wait until one of your fetches has ended.',
        })
      }
      return reply.code(202).send(pull)
    },
  )

  app.get(
    '/images/:reference/pull',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getImagePull',
        summary: 'Progress of a fetch that you requested',
        params: ImageAddress,
        response: { 200: answer<ImagePull>('ImagePull', 'The progress'), ...problemResponses },
      },
    },
    (request) => {
      const reference = printReference(parts.checkImage(request.params.reference))
      const pull = pullsHere().find(callerOf(request).account.name, reference)
      if (pull !== undefined) return pull
      throw new Problem('not-found', `No recent fetch of ${reference} was requested by you since the server started.`, {
        hint: 'Request a fetch: POST to the same address.',
      })
    },
  )
}

/** An image in a list. Pure. */
const summary = ({ reference, digest, types, local }: OfferedImage): Summary => ({
  reference,
  digest,
  types: [...types],
  here: local !== undefined,
  ...(local === undefined ? {} : { sizeBytes: local.sizeBytes, loadedAt: instant(local.loadedAt) }),
})
