import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parseAllDocuments } from 'yaml'
import type { Config } from '../packages/server/src/config.ts'
import { readConfig } from '../packages/server/src/configuration/read.ts'
import { neededRights, type Right } from '../packages/server/src/executor/kubernetes/rights.ts'
import { Chart, fullValues } from './support/chart.ts'

/** A rule of a role. */
interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** What a Kubernetes object has that these tests look at. */
interface KubernetesObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly data?: Readonly<Record<string, string>>
  readonly rules?: readonly Rule[]
  readonly spec?: {
    readonly template: {
      readonly spec: {
        readonly enableServiceLinks: boolean
        readonly containers: readonly [{ readonly securityContext: unknown; readonly volumeMounts: readonly unknown[] }]
      }
    }
  }
}

/** `list nodes in all namespaces`, as rules give it. */
const rightsOf = (objects: readonly KubernetesObject[]): string[] =>
  objects.flatMap(({ kind, rules = [] }) =>
    rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.map((verb) => wordsOf({ verb, group, resource, everywhere: kind === 'ClusterRole' })),
        ),
      ),
    ),
  )

const wordsOf = ({ verb, group, resource, subresource, everywhere = false }: Right): string =>
  [
    `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}${group === '' ? '' : `.${group}`}`,
    ...(everywhere ? ['in all namespaces'] : []),
  ].join(' ')

const least = { storage: { home: { claim: 'home' }, projects: { claim: 'projects' } } }

describe('the Helm chart', () => {
  let folder = ''
  let chart: Chart
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sp-chart-'))
    chart = await Chart.open(folder)
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const render = async (values: object): Promise<KubernetesObject[]> =>
    parseAllDocuments(await chart.helm(['template', 'batch'], values, ['--namespace', 'platform']))
      .map((document) => document.toJS() as KubernetesObject | null)
      .filter((object) => object !== null)
  const refusal = async (values: object): Promise<string> => {
    try {
      await render(values)
    } catch (error) {
      return (error as { stderr: string }).stderr
    }
    throw new Error('the chart took these values')
  }

  /** The platform's configuration, as the server reads it. */
  const configOf = async (objects: readonly KubernetesObject[]): Promise<Config> => {
    const file = join(folder, 'config.yaml')
    await writeFile(file, objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['config.yaml'] ?? '')
    return readConfig({ file, env: {}, flags: {} })
  }

  for (const [name, values] of Object.entries({ least, everything: fullValues }))
    it(`passes lint, and its configuration is one that the platform takes (${name})`, async () => {
      await chart.helm(['lint', '--strict', '--quiet'], values)
      const config = await configOf(await render(values))
      assert.equal(config.executor, 'kubernetes', 'the chart decides where jobs run, whatever config says')
    })

  it('keeps the rights of the server small', async () => {
    const objects = await render(fullValues)
    const server = objects.find(({ kind }) => kind === 'StatefulSet')?.spec?.template.spec
    assert.deepEqual(server?.containers[0].securityContext, {
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER'] },
    })
    // Kubernetes would set SCIENCE_PLATFORM_SERVICE_HOST, which the platform refuses as a misspelt setting.
    assert.equal(server?.enableServiceLinks, false)
  })

  for (const usage of ['metrics', 'kubelet', 'none'] as const)
    for (const localQueue of ['', 'science'])
      it(`gives the rights that the server asks for, and no other (usage: ${usage}, localQueue: '${localQueue}')`, async () => {
        const objects = await render({ ...least, jobs: { usage }, kueue: { localQueue } })
        const { kubernetes } = await configOf(objects)
        assert.deepEqual(rightsOf(objects).toSorted(), neededRights(kubernetes).map(wordsOf).toSorted())
      })

  it('refuses values that cannot work, and says what would do', async () => {
    assert.match(await refusal({}), /storage\.home: name the claim/)
    assert.match(await refusal({ ...least, storage: { home: { claim: 'a', hostPath: '/b' } } }), /not both/)
    assert.match(await refusal({ ...least, publicURL: 'https://x' }), /publicURL/)
    assert.match(await refusal({ ...least, publicUrl: 'batch.example.org' }), /publicUrl/)
    assert.match(await refusal({ ...least, ingress: { enabled: true } }), /ingress\.tlsSecret/)
  })
})
