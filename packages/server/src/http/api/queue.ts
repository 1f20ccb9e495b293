import { QueueOverview } from '@science-platform/contract'
import { callerOf } from '../server/guard.ts'
import type { Dependencies } from '../server/dependencies.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** `/queue`: the load of the platform, and the caller's part of it. */
export function queueRoutes(app: ApiServer, { queue }: Pick<Dependencies, 'queue'>): void {
  app.addSchema(QueueOverview)
  app.get(
    '/queue',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'getQueue',
        summary: 'Waiting jobs, free capacity, and how much of your limits you and your groups use',
        response: { 200: answer<QueueOverview>('QueueOverview', 'The queue'), ...problemResponses },
      },
    },
    (request) => queue.overview(callerOf(request).account),
  )
}
