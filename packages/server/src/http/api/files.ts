import { FileList, FileQuery } from '@science-platform/contract'
import { accountFor } from '../../access/accounts.ts'
import { LookBusy, LookFailed } from '../../executor/arc-look.ts'
import { callerOf } from '../server/guard.ts'
import type { Dependencies } from '../server/dependencies.ts'
import { leaving } from '../server/leaving.ts'
import { Problem } from '../server/problem.ts'
import { instant } from '../views/job-view.ts'
import type { ApiServer } from './api-server.ts'
import { answer, problemResponses } from './responses.ts'

/** Seconds of `Retry-After` when a look gave no answer. */
const retrySeconds = 5

/** `/files`: what jobs of the caller see below /arc. */
export function fileRoutes(app: ApiServer, { executor }: Pick<Dependencies, 'executor'>): void {
  app.addSchema(FileList)
  app.get(
    '/files',
    {
      config: { scope: 'read' },
      exposeHeadRoute: true,
      schema: {
        operationId: 'listFiles',
        summary: 'Files below /arc that match a pattern, as a job of yours would see them',
        description:
          'Names, types, sizes and times, never contents. A process with your user and groups looks, at most 30 s; your requests are ' +
          'answered one after the other.',
        querystring: FileQuery,
        response: { 200: answer<FileList>('FileList', 'The files'), ...problemResponses },
      },
    },
    async (request, reply) => {
      const { arc } = executor
      if (arc === undefined)
        throw new Problem(
          'files-not-visible',
          'This server does not see /arc: only jobs do, on the nodes of the cluster.',
          {
            hint: 'Look from a job: canfar create IMAGE -f -- ls FOLDER',
          },
        )
      const { glob, limit } = request.query
      const { signal, release } = leaving(app, reply)
      try {
        const { files, ...rest } = await arc.glob(accountFor(callerOf(request).account), glob, {
          signal,
          ...(limit === undefined ? {} : { most: limit }),
        })
        return {
          files: files.map(({ modifiedAt, ...file }) => ({ ...file, modifiedAt: instant(modifiedAt) })),
          ...rest,
        }
      } catch (error) {
        if (!(error instanceof LookBusy || error instanceof LookFailed) && !signal.aborted) throw error
        if (error instanceof LookFailed) request.log.error({ err: error }, 'a look into /arc failed')
        throw new Problem(
          'answer-unavailable',
          error instanceof LookBusy ? `There is no answer: ${error.message}.` : 'The look into /arc gave no answer.',
          {
            hint: `Ask again in ${retrySeconds} s (Retry-After), or with a pattern of fewer folders.`,
            headers: { 'retry-after': String(retrySeconds) },
            cause: error,
          },
        )
      } finally {
        release()
      }
    },
  )
}
