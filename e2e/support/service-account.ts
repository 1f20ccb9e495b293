import { readFile, writeFile } from 'node:fs/promises'
import type { Right } from '../../packages/server/src/executor/kubernetes/api/rights.ts'
import { applyObjects, kubectl, testKubeconfig } from './cluster-place.ts'

const rbac = 'rbac.authorization.k8s.io'

/** A service account of the test cluster with given rights, like that of a platform in a pod. */
export class ServiceAccount implements AsyncDisposable {
  readonly token: string
  readonly #clusterRole: string

  private constructor(token: string, clusterRole: string) {
    this.token = token
    this.#clusterRole = clusterRole
  }

  /** @param rights for the namespace, or for the whole cluster where they say so. */
  static async make(namespace: string, name: string, rights: readonly Right[]): Promise<ServiceAccount> {
    const clusterRole = `${namespace}-${name}`
    const account = { kind: 'ServiceAccount', name, namespace }
    const given = (kind: 'Role' | 'ClusterRole', metadata: { name: string; namespace?: string }) => [
      {
        apiVersion: `${rbac}/v1`,
        kind,
        metadata,
        rules: rights
          .filter(({ everywhere = false }) => everywhere === (kind === 'ClusterRole'))
          .map(({ verb, group, resource, subresource }) => ({
            apiGroups: [group],
            resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
            verbs: [verb],
          })),
      },
      {
        apiVersion: `${rbac}/v1`,
        kind: `${kind}Binding`,
        metadata,
        roleRef: { apiGroup: rbac, kind, name: metadata.name },
        subjects: [account],
      },
    ]
    await applyObjects([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
      ...given('Role', { name, namespace }),
      ...given('ClusterRole', { name: clusterRole }),
    ])
    const token = await kubectl('create', 'token', name, '-n', namespace, '--duration', '2h')
    return new ServiceAccount(token.trim(), clusterRole)
  }

  /** Writes a kubeconfig of this account. */
  async writeKubeconfig(path: string): Promise<void> {
    const text = await readFile(testKubeconfig(), 'utf8')
    const user = `user: {token: "${this.token}"}}]`
    await writeFile(path, text.replace(/user: \{client-certificate.*\}\}\]/, user), { mode: 0o600 })
  }

  /** Deletes its objects outside of the namespace. */
  async [Symbol.asyncDispose](): Promise<void> {
    await kubectl('delete', 'clusterrole,clusterrolebinding', this.#clusterRole, '--ignore-not-found')
  }
}
