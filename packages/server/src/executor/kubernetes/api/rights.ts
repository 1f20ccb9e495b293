import type { KubernetesConfig } from '../../../configuration/config.ts'
import type { KubernetesApi } from './api-client.ts'

/** A right that the platform needs on the Kubernetes API. */
export interface Right {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource?: string
  /** Whether it is needed in all namespaces; otherwise in that of the jobs. */
  readonly everywhere?: boolean
  /** How to configure the platform to work without it. */
  readonly instead?: string
}

const withoutUsage =
  'or set kubernetes.usage (jobs.usage of the chart) to none, which gives up the usage of running jobs'

/** The settings that decide which rights are needed. */
export type RightsSettings = Pick<KubernetesConfig, 'usage' | 'queue'>

/** The rights that every configuration needs. */
const always: readonly Right[] = [
  ...['create', 'list', 'watch', 'get', 'patch', 'delete'].map((verb) => ({ verb, group: 'batch', resource: 'jobs' })),
  ...['list', 'watch', 'patch', 'delete'].map((verb) => ({ verb, group: '', resource: 'pods' })),
  { verb: 'get', group: '', resource: 'pods', subresource: 'log' },
  { verb: 'create', group: '', resource: 'secrets' },
  { verb: 'watch', group: '', resource: 'events' },
  ...['get', 'create', 'patch'].map((verb) => ({ verb, group: 'coordination.k8s.io', resource: 'leases' })),
  { verb: 'list', group: '', resource: 'nodes', everywhere: true },
  { verb: 'watch', group: '', resource: 'nodes', everywhere: true },
  { verb: 'list', group: '', resource: 'pods', everywhere: true },
]

/** The rights to read the usage of running jobs, by its source. */
const ofUsage: Readonly<Record<KubernetesConfig['usage'], readonly Right[]>> = {
  metrics: [{ verb: 'list', group: 'metrics.k8s.io', resource: 'pods', instead: withoutUsage }],
  kubelet: [
    { verb: 'get', group: '', resource: 'nodes', subresource: 'proxy', everywhere: true, instead: withoutUsage },
  ],
  none: [],
}

/** All rights that the executor needs with these settings. The roles of the chart grant exactly these. Pure. */
export const neededRights = ({ usage, queue }: RightsSettings): readonly Right[] => [
  ...always,
  ...ofUsage[usage],
  ...(queue === undefined ? [] : [{ verb: 'get', group: 'kueue.x-k8s.io', resource: 'localqueues' }]),
]

/** Thrown where the identity lacks rights. The message names them all, and how to grant them. */
class MissingRights extends Error {
  override readonly name = 'MissingRights'
}

/**
 * Checks all rights with the API server, so that a missing one fails the start of the server and not the first job.
 *
 * @throws {MissingRights}
 */
export async function requireRights(
  api: Pick<KubernetesApi, 'create'>,
  namespace: string,
  signal: AbortSignal,
  settings: RightsSettings,
): Promise<void> {
  const missing = await Promise.all(
    neededRights(settings).map(async ({ verb, group, resource, subresource, everywhere = false, instead }) => {
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
        : [
            `${verb} ${what} in ${everywhere ? 'all namespaces' : `the namespace ${namespace}`}` +
              (instead === undefined ? '' : ` (${instead})`),
          ]
    }),
  )
  const named = missing.flat()
  if (named.length > 0)
    throw new MissingRights(
      `The platform lacks rights on the Kubernetes API: ${named.join('; ')}. Grant its account the roles of the chart (charts/science-platform/templates/rbac.yaml).`,
    )
}
