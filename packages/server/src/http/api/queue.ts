import { QueueOverview } from '@science-platform/contract'
import { callerOf } from '../server/guard.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** `/queue`: how full the platform is, and what of it is the caller's. */
export function queueRoutes(app: ApiServer, { queue }: Pick<Dependencies, 'queue'>): void {
  app.addSchema(QueueOverview)
  app.get(
    '/queue',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getQueue',
        summary: 'What waits, what is free, and what you and your groups hold of your limits',
        response: { 200: answer<QueueOverview>('QueueOverview', 'The queue'), ...problemResponses },
      },
    },
    (request) => queue.overview(callerOf(request).account),
  )
}
