import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Network } from '@science-platform/contract'
import { parseAllDocuments } from 'yaml'
import type { Config } from '../packages/server/src/configuration/config.ts'
import { readConfig } from '../packages/server/src/configuration/read.ts'
import { builtInBlockedRanges } from '../packages/server/src/executor/blocked-ranges.ts'
import { jobObject } from '../packages/server/src/executor/kubernetes/objects/job-object.ts'
import { neededRights, type Right } from '../packages/server/src/executor/kubernetes/api/rights.ts'
import { Chart, fullValues } from './support/chart.ts'

/** A rule of a role. */
interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** A rule of a NetworkPolicy. */
interface PolicySpec {
  readonly podSelector?: {
    readonly matchLabels?: Readonly<Record<string, string>>
    readonly matchExpressions?: readonly { readonly key: string; readonly operator: string }[]
  }
  readonly policyTypes?: readonly string[]
  readonly ingress?: readonly object[]
  readonly egress?: readonly EgressRule[]
}
interface EgressRule {
  readonly ports?: readonly { readonly port: number; readonly protocol: string }[]
  readonly to?: readonly {
    readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
    readonly namespaceSelector?: object
  }[]
}

/** The fields of Kubernetes objects that these tests read. */
interface KubernetesObject {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly data?: Readonly<Record<string, string>>
  readonly rules?: readonly Rule[]
  readonly spec?: PolicySpec & {
    readonly template: PodTemplate
    readonly selector?: Readonly<Record<string, string>>
    /** Of a CronJob. */
    readonly jobTemplate?: { readonly spec: { readonly template: PodTemplate } }
  }
}
interface PodTemplate {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> }
  readonly spec: {
    readonly enableServiceLinks: boolean
    readonly automountServiceAccountToken?: boolean
    readonly containers: readonly [
      {
        readonly args?: readonly string[]
        readonly securityContext: unknown
        readonly volumeMounts?: readonly { readonly mountPath: string; readonly subPath?: string }[]
      },
    ]
    readonly volumes?: readonly { readonly persistentVolumeClaim?: { readonly claimName: string } }[]
  }
}

/** The rights of rules, in the form `list nodes in all namespaces`. */
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

/** Whether a policy selects pods with these labels. */
const selects = (
  { matchLabels = {}, matchExpressions = [] }: NonNullable<PolicySpec['podSelector']>,
  labels: Readonly<Record<string, string>>,
): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator }) => operator === 'Exists' && key in labels)

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

  /** The configuration of the platform, parsed by the server's code. */
  const configOf = async (objects: readonly KubernetesObject[]): Promise<Config> => {
    const file = join(folder, 'config.yaml')
    await writeFile(file, objects.find(({ kind }) => kind === 'ConfigMap')?.data?.['config.yaml'] ?? '')
    return readConfig({ file, env: {}, flags: {} })
  }

  for (const [name, values] of Object.entries({ least, everything: fullValues }))
    it(`passes lint, and the platform accepts its configuration (${name})`, async () => {
      await chart.helm(['lint', '--strict', '--quiet'], values)
      const config = await configOf(await render(values))
      assert.equal(config.kubernetes.runtimeClass, values === fullValues ? 'gvisor' : undefined)
      assert.equal(config.executor, 'kubernetes', 'the chart decides where jobs run, whatever config says')
    })

  it('lets the server make homes, unless the site makes them', async () => {
    assert.equal((await configOf(await render(least))).kubernetes.homesFolder, '/var/lib/science-platform/arc/home')
    const storage = { ...least.storage, makeHomes: false }
    assert.equal((await configOf(await render({ storage }))).kubernetes.homesFolder, undefined)
  })

  it('gives the server no further rights', async () => {
    const objects = await render(fullValues)
    const server = objects.find(({ kind }) => kind === 'StatefulSet')?.spec?.template.spec
    assert.deepEqual(server?.containers[0].securityContext, {
      runAsUser: 0,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID'] },
    })
    // Kubernetes would set SCIENCE_PLATFORM_SERVICE_HOST, which the platform refuses as an unknown setting.
    assert.equal(server?.enableServiceLinks, false)
  })

  it('backs up from a CronJob on the node of the server, with its data, its key and no token', async () => {
    assert.equal(
      (await render(least)).find(({ kind }) => kind === 'CronJob'),
      undefined,
    )
    const objects = await render(fullValues)
    const cron = objects.find(({ kind }) => kind === 'CronJob')?.spec?.jobTemplate?.spec.template
    const [container] = cron?.spec.containers ?? []
    assert.equal(cron?.spec.automountServiceAccountToken, false)
    assert.match(container?.args?.[0] ?? '', /^science-platform backup "\/backup\/platform-.*" --logs --config /)
    assert.match(container?.args?.[0] ?? '', /tail -n \+15/)
    const server = objects.find(({ kind }) => kind === 'StatefulSet')?.spec?.template.spec.containers[0]
    const mounts = (one: typeof container) =>
      one?.volumeMounts?.map(({ mountPath, subPath = '' }) => mountPath + subPath) ?? []
    for (const path of [
      '/var/lib/science-platform',
      '/var/lib/science-platform/seal.keyseal.key',
      '/etc/science-platform',
    ])
      for (const one of [container, server]) assert.ok(mounts(one).includes(path), path)
    const claims = cron?.spec.volumes?.flatMap(({ persistentVolumeClaim: claim }) => claim?.claimName ?? [])
    assert.deepEqual(claims, ['data-batch-science-platform-0', 'backups'])
    const selector = objects.find(({ kind }) => kind === 'Service')?.spec?.selector
    assert.notEqual(cron?.metadata?.labels?.['app.kubernetes.io/name'], selector?.['app.kubernetes.io/name'])
  })

  for (const usage of ['metrics', 'kubelet', 'none'] as const)
    for (const localQueue of ['', 'science'])
      it(`gives exactly the rights that the server needs (usage: ${usage}, localQueue: '${localQueue}')`, async () => {
        const objects = await render({ ...least, jobs: { usage }, kueue: { localQueue } })
        const { kubernetes } = await configOf(objects)
        assert.deepEqual(rightsOf(objects).toSorted(), neededRights(kubernetes).map(wordsOf).toSorted())
      })

  describe('restricts the network of jobs', () => {
    /** The labels of a job's pod from the platform's code. */
    const labelsOf = async (network?: Network): Promise<Readonly<Record<string, string>>> => {
      const { kubernetes, images } = await configOf(await render(least))
      const spec = {
        id: 'k3x9a0qz-1',
        jobId: 'k3x9a0qz',
        name: 'fit-orbits',
        account: { name: 'ada', uid: 20_000, gid: 20_000, groups: [] },
        image: { registry: 'localhost:5000', path: 'astro/fit', tag: '1' },
        env: {},
        resources: { cores: { request: 1, limit: 1 }, memoryGb: { request: 1, limit: 1 }, gpus: 0, fixed: true },
        graceSeconds: 30,
        ...(network === undefined ? {} : { network }),
      }
      return jobObject(spec, { ...kubernetes, images }, 'secret').spec?.template.metadata?.labels ?? {}
    }
    const anything = 'anything: no policy is about it'
    /** The connections from and to a pod that its policies allow. */
    const opened = async (labels: Readonly<Record<string, string>>, values: object = least) => {
      const about = (await render(values)).flatMap(({ kind, metadata, spec }) =>
        kind === 'NetworkPolicy' &&
        metadata.namespace === 'science-platform-jobs' &&
        spec?.podSelector !== undefined &&
        selects(spec.podSelector, labels)
          ? [spec]
          : [],
      )
      const closed = new Set(about.flatMap(({ policyTypes = [] }) => policyTypes))
      return {
        ingress: closed.has('Ingress') ? about.flatMap(({ ingress = [] }) => ingress) : anything,
        egress: closed.has('Egress') ? about.flatMap(({ egress = [] }) => egress) : anything,
      }
    }
    const names = {
      ports: [
        { port: 53, protocol: 'UDP' },
        { port: 53, protocol: 'TCP' },
      ],
    }

    it('none: no connection', async () => {
      assert.deepEqual(await opened(await labelsOf('none')), { egress: [], ingress: [] })
    })

    const builtIn = (version: number) =>
      builtInBlockedRanges.filter((range) => isIP(range.split('/')[0] ?? '') === version)

    it('isolated: no value takes a built-in range away', async () => {
      for (const blockedRanges of [[], ['10.0.0.0/8'], ['169.254.0.0/17'], ['fe80::/64', 'fd00::/8']]) {
        const { egress } = await opened(await labelsOf(), { ...least, jobs: { blockedRanges } })
        assert.ok(Array.isArray(egress))
        const except = egress.flatMap(({ to = [] }) => to.flatMap(({ ipBlock }) => ipBlock?.except ?? []))
        for (const range of [...builtInBlockedRanges, ...blockedRanges]) assert.ok(except.includes(range), range)
      }
    })

    it('also after the chart was uninstalled: Helm keeps every policy, and the namespace', async () => {
      for (const values of [least, fullValues])
        for (const { kind, metadata } of await render(values))
          assert.equal(
            metadata.annotations?.['helm.sh/resource-policy'],
            ['NetworkPolicy', 'Namespace'].includes(kind) ? 'keep' : undefined,
            `${kind} ${metadata.name}`,
          )
    })

    it('isolated: all addresses except the built-in ranges, and name servers', async () => {
      const everything = [
        { ipBlock: { cidr: '0.0.0.0/0', except: builtIn(4) } },
        { ipBlock: { cidr: '::/0', except: builtIn(6) } },
        { namespaceSelector: {} },
      ]
      for (const labels of [await labelsOf(), await labelsOf('isolated')])
        assert.deepEqual(await opened(labels), { egress: [names, { to: everything }], ingress: [] })
    })

    it('isolated: without the blocked ranges and other pods of the site', async () => {
      const jobs = { blockedRanges: ['169.254.0.0/16', '10.0.0.0/8', '2001:db8::/32'], reachPods: false }
      assert.deepEqual((await opened(await labelsOf(), { ...least, jobs })).egress, [
        names,
        {
          to: [
            { ipBlock: { cidr: '0.0.0.0/0', except: [...builtIn(4), '10.0.0.0/8'] } },
            { ipBlock: { cidr: '::/0', except: [...builtIn(6), '2001:db8::/32'] } },
          ],
        },
      ])
    })

    it('and does not affect other pods of the namespace', async () => {
      const session = { 'app.kubernetes.io/part-of': 'canfar', 'app.kubernetes.io/managed-by': 'skaha' }
      assert.deepEqual(await opened(session), { ingress: anything, egress: anything })
    })
  })

  it('refuses invalid values with a hint', async () => {
    assert.match(await refusal({}), /storage\.home: name the claim/)
    assert.match(await refusal({ ...least, storage: { home: { claim: 'a', hostPath: '/b' } } }), /not both/)
    assert.match(await refusal({ ...least, publicURL: 'https://x' }), /publicURL/)
    assert.match(await refusal({ ...least, publicUrl: 'batch.example.org' }), /publicUrl/)
    for (const range of ['10.0.0.0', '0.0.0.0/0'])
      assert.match(await refusal({ ...least, jobs: { blockedRanges: [range] } }), /blockedRanges/)
    assert.match(await refusal({ ...least, ingress: { enabled: true } }), /ingress\.tlsSecret/)
    assert.match(await refusal({ ...least, backup: { enabled: true } }), /backup\.claim: name the claim/)
    assert.match(await refusal({ ...least, backup: { schedule: 'daily' } }), /schedule/)
    assert.match(await refusal({ ...least, config: { limitz: {} } }), /limitz/)
    assert.match(await refusal({ ...least, config: { limits: { logMb: '64' } } }), /logMb/)
  })
})
