import type { Jobs } from '@science-platform/client'
import type { FileList } from '@science-platform/contract'
import type { Remark } from './command-remarks.ts'

/** Milliseconds that a look may take: a submission must not wait for it. */
const lookMs = 5000

/** What the working directory of a job will do to it, as far as it is known now. Pure. @param files - What is at the path. */
export function workingDirectoryRemark(path: string, files: FileList['files']): Remark | undefined {
  const type = files[0]?.type
  if (type === 'folder') return undefined
  const what =
    type === undefined || type === 'broken-link'
      ? `there is no folder ${path} that you can see`
      : type === 'closed-folder'
        ? `you may not enter the folder ${path}`
        : `${path} is no folder`
  return {
    message: `${what} now; the job ends with start-failed unless that has changed when it starts`,
    hint: 'create the folder before, or use one below /scratch, which is created for each job',
    topic: 'start-failed',
  }
}

/** Looks at a working directory below /arc; undefined where there is nothing to say, or the server does not see it in time. */
export async function lookAtWorkingDirectory(
  jobs: Pick<Jobs, 'files'>,
  path: string,
  interrupt: AbortSignal,
): Promise<Remark | undefined> {
  if (!path.startsWith('/arc/')) return undefined
  const glob = path.replaceAll(/[*?[\\]/g, '\\$&')
  const signal = AbortSignal.any([interrupt, AbortSignal.timeout(lookMs)])
  try {
    return workingDirectoryRemark(path, (await jobs.files({ glob, limit: 1 }, { signal })).files)
  } catch {
    return undefined // servers of earlier releases, and those on Kubernetes, do not answer
  }
}
