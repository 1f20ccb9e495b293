import type { KubernetesApi } from './api.ts'

/** Something the platform must be allowed to do. */
export interface Right {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** Whether it is asked for in all namespaces; otherwise in that of the jobs. */
  readonly everywhere?: boolean
}

/** All that the executor does on the API; the chart's roles give exactly these. */
export const neededRights: readonly Right[] = [
  ...['create', 'list', 'watch', 'get', 'patch', 'delete'].map((verb) => ({ verb, group: 'batch', resource: 'jobs' })),
  ...['list', 'watch', 'patch', 'delete'].map((verb) => ({ verb, group: '', resource: 'pods' })),
  { verb: 'get', group: '', resource: 'pods', subresource: 'log' },
  { verb: 'create', group: '', resource: 'secrets' },
  { verb: 'watch', group: '', resource: 'events' },
  { verb: 'list', group: '', resource: 'nodes', everywhere: true },
  { verb: 'watch', group: '', resource: 'nodes', everywhere: true },
  { verb: 'list', group: '', resource: 'pods', everywhere: true },
]

/** Thrown where the identity of the kubeconfig lacks rights; names them all, and how to give them. */
class MissingRights extends Error {
  override readonly name = 'MissingRights'
}

/**
 * Asks the API server about every right that will be needed, so that one that is missing is told at the start and not by the first job.
 * @throws {MissingRights}
 */
export async function requireRights(api: KubernetesApi, namespace: string, signal: AbortSignal): Promise<void> {
  const missing = await Promise.all(
    neededRights.map(async ({ verb, group, resource, subresource, everywhere = false }) => {
      const resourceAttributes = {
        verb,
        group,
        resource,
        ...(subresource === undefined ? {} : { subresource }),
        ...(everywhere ? {} : { namespace }),
      }
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes },
      }
      const { status } = await api.create<{ status: { allowed: boolean } }>(
        '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        review,
        signal,
      )
      const what = `${resource}${subresource === undefined ? '' : `/${subresource}`}${group === '' ? '' : `.${group}`}`
      return status.allowed
        ? []
        : [`${verb} ${what} in ${everywhere ? 'all namespaces' : `the namespace ${namespace}`}`]
    }),
  )
  const named = missing.flat()
  if (named.length > 0)
    throw new MissingRights(
      `The platform may not do on the Kubernetes API what it must: ${named.join('; ')}. Give its account the roles of the chart (charts/science-platform/templates/rbac.yaml).`,
    )
}
