import { applyObjects, kubectl } from './cluster-place.ts'
import { eventually } from './eventually.ts'

/** A policy of the cluster that refuses the objects of jobs with one name, in one namespace. */
export class Refusal implements AsyncDisposable {
  readonly name: string

  private constructor(name: string) {
    this.name = name
  }

  /** @param job - The name of the jobs. Later requests for their objects are refused. */
  static async of(resource: 'pods' | 'jobs', namespace: string, job: string): Promise<Refusal> {
    const refusal = new Refusal(`${namespace}-${resource}`)
    const { name } = refusal
    const apiGroup = resource === 'jobs' ? 'batch' : ''
    const only = {
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      objectSelector: { matchLabels: { 'canfar.net/name': job } },
    }
    const apiVersion = 'admissionregistration.k8s.io/v1'
    await applyObjects([
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          failurePolicy: 'Ignore',
          matchConstraints: {
            ...only,
            resourceRules: [
              { apiGroups: [apiGroup], apiVersions: ['v1'], operations: ['CREATE'], resources: [resource] },
            ],
          },
          validations: [{ expression: 'false', message: `${resource} are refused here, says this test.` }],
        },
      },
      {
        apiVersion,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'], matchResources: only },
      },
    ])
    // The API server applies the policy after a moment.
    const metadata = { name: 'probe', namespace, labels: { 'canfar.net/name': job } }
    const spec = { restartPolicy: 'Never', containers: [{ name: 'probe', image: 'probe' }] }
    const probe =
      resource === 'pods'
        ? { apiVersion: 'v1', kind: 'Pod', metadata, spec }
        : { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: { template: { spec } } }
    await eventually('the policy to hold', () =>
      applyObjects([probe], '--dry-run=server').then(
        () => false,
        (error: Error) => error.message.includes('refused here'),
      ),
    )
    return refusal
  }

  async remove(): Promise<void> {
    for (const kind of ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'])
      await kubectl('delete', kind, this.name, '--ignore-not-found')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove()
  }
}
