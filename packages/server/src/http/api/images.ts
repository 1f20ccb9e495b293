import { Instant } from '@science-platform/contract'
import Type, { type Static } from 'typebox'
import { instant } from '../job-view.ts'
import type { HttpParts } from '../parts.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

const Images = Type.Object(
  {
    images: Type.Array(
      Type.Object({
        reference: Type.String({ examples: ['localhost/astro/source-extractor:1'] }),
        digest: Type.String(),
        sizeBytes: Type.Integer(),
        loadedAt: Instant,
      }),
    ),
  },
  { $id: 'Images' },
)

/** `/images`: what is on the platform's disk and starts without being fetched. */
export function imageRoutes(app: ApiServer, { images }: Pick<HttpParts, 'images'>): void {
  app.addSchema(Images)
  app.get(
    '/images',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listImages',
        summary: 'Images that are here already',
        response: { 200: answer<Static<typeof Images>>('Images', 'The images, by reference'), ...problemResponses },
      },
    },
    async () => ({
      images: (await images.list()).map(({ reference, digest, sizeBytes, loadedAt }) => ({
        reference,
        digest,
        sizeBytes,
        loadedAt: instant(loadedAt),
      })),
    }),
  )
}
