import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import platform from '../../../../package.json' with { type: 'json' }
import type { AttemptSpec } from '../../executor.ts'
import { CannotRun, hasSecrets, jobObject, releaseOf, secretObject } from './job-object.ts'
import type { ClusterSettings } from '../settings.ts'
import { requireReference } from '../../../job/image-reference.ts'

const spec: AttemptSpec = {
  id: 'k3x9a0qz-1',
  jobId: 'k3x9a0qz',
  name: 'fit-orbits',
  account: { name: 'ada', uid: 20_000, gid: 20_000, groups: [{ name: 'survey', gid: 40_000 }] },
  image: requireReference('images.canfar.net/astro/fit:1'),
  cmd: ['fit', '$(HOME)', '$$'],
  args: ['--to=$X'],
  env: { PRICE: '5$', HOME: '/arc/home/ada' },
  publicEnv: ['PRICE', 'HOME'],
  resources: { cores: { request: 2, limit: 4 }, memoryGb: { request: 1, limit: 2 }, gpus: 0, fixed: true },
  graceSeconds: 30,
  node: 'node-7',
}
const secretName = 'platform-k3x9a0qz-1-0a1b2c3d'
const settings: ClusterSettings = {
  namespace: 'jobs',
  instance: 'platform',
  volumes: { home: { claim: 'arc', subPath: 'home' }, projects: { claim: 'arc', subPath: 'projects' } },
  scratchGb: { request: 1, limit: 20 },
  imagePullPolicy: 'Always',
  imageSeconds: 600,
  dnsPolicy: 'ClusterFirst',
  nodeSelector: {},
  tolerations: [],
  overcommit: 1,
  gpuResource: 'nvidia.com/gpu',
  lossSeconds: 300,
  images: {
    registries: ['images.canfar.net'],
    aliases: { 'images.canfar.net': 'cache.example:5000/canfar' },
    insecure: [],
  },
}
const podOf = (changes: Partial<AttemptSpec> = {}, of: Partial<ClusterSettings> = {}) => {
  const pod = jobObject({ ...spec, ...changes }, { ...settings, ...of }, secretName).spec?.template.spec
  const container = pod?.containers[0]
  if (pod === undefined || container === undefined) throw new Error('The Job has no container.')
  return { pod, container }
}

describe('the Job of an attempt', () => {
  it('enters a working directory by a program of its Secret, as the user, and by no setting of the cluster', () => {
    const changes = { workingDirectory: '/arc/projects/$x' }
    const { pod, container } = podOf(changes)
    assert.deepEqual(container.command, ['/dev/enter', 'find', '/arc/projects/$$x', 'fit', '$$(HOME)', '$$$$'])
    assert.equal(container.workingDir, '/arc/home/ada', 'the runtime would create and enter it as root')
    const item = { key: '.enter', path: 'enter', mode: 0o555 }
    assert.deepEqual(
      pod.volumes?.find(({ name }) => name === 'enter'),
      { name: 'enter', secret: { secretName, items: [item] } },
    )
    assert.deepEqual(
      container.volumeMounts?.find(({ name }) => name === 'enter'),
      { name: 'enter', mountPath: '/dev/enter', subPath: 'enter', readOnly: true },
    )
    assert.equal(hasSecrets(spec), false)
    assert.equal(hasSecrets({ ...spec, ...changes }), true)
    const own = process.arch === 'arm64' ? 'arm64' : 'amd64'
    assert.deepEqual(pod.nodeSelector, { 'kubernetes.io/arch': own })
    assert.deepEqual(podOf(changes, { nodeSelector: { 'kubernetes.io/arch': 'arm64' } }).pod.nodeSelector, {
      'kubernetes.io/arch': 'arm64',
    })
    const machine = (of: Partial<ClusterSettings>): number | undefined => {
      const { data } = secretObject(
        { ...spec, ...changes },
        { ...settings, ...of },
        jobObject(spec, settings, secretName),
      )
      return Buffer.from(data?.['.enter'] ?? '', 'base64').readUInt16LE(18)
    }
    assert.deepEqual(
      ['amd64', 'arm64'].map((arch) => machine({ nodeSelector: { 'kubernetes.io/arch': arch } })),
      [62, 183],
    )
    const { cmd: _, ...withoutCommand } = spec
    assert.throws(() => jobObject({ ...withoutCommand, ...changes }, settings, secretName), CannotRun)
  })

  it('has the labels of the job in an annotation of its own, and nowhere where they select or replace something', () => {
    const labels = {
      'canfar.net/image': 'mine',
      'canfar.net/id': 'z',
      'kueue.x-k8s.io/queue-name': 'q',
      run: 'night 42',
    }
    const { metadata, spec: job } = jobObject({ ...spec, labels }, settings, secretName)
    const plain = jobObject(spec, settings, secretName)
    assert.deepEqual(metadata?.labels, plain.metadata?.labels)
    assert.deepEqual(job, plain.spec)
    const { 'canfar.net/labels': text = '', ...others } = metadata?.annotations ?? {}
    assert.deepEqual(JSON.parse(text), labels)
    assert.deepEqual(others, plain.metadata?.annotations)
  })

  it('runs once at most, and has the labels that operators query', () => {
    const { metadata, spec: job } = jobObject(spec, settings, secretName)
    assert.deepEqual([job?.backoffLimit, job?.parallelism, job?.completions, job?.suspend], [0, 1, 1, false])
    assert.deepEqual(job?.template.spec?.schedulingGates, [{ name: 'canfar.net/start' }])
    assert.equal(metadata?.name, 'platform-k3x9a0qz-1')
    const labels = {
      'canfar.net/id': 'k3x9a0qz',
      'canfar.net/username': 'ada',
      'canfar.net/name': spec.name,
      'canfar.net/kind': 'headless',
      'canfar.net/job': 'platform-k3x9a0qz-1',
      'canfar.net/flavor': 'fixed',
      'canfar.net/accelerator': 'none',
      'canfar.net/community': 'default',
      'canfar.net/project': 'default',
      'app.kubernetes.io/managed-by': 'skaha',
      'app.kubernetes.io/part-of': 'canfar',
      'app.kubernetes.io/version': platform.version,
    }
    for (const [key, value] of Object.entries(labels)) {
      assert.equal(metadata.labels?.[key], value)
      assert.equal(job?.template.metadata?.labels?.[key], value)
    }
  })

  it('meets the restricted Pod Security Standard, and runs as its user', () => {
    const { pod, container } = podOf()
    assert.equal(pod.automountServiceAccountToken, false)
    assert.deepEqual(pod.securityContext, {
      runAsNonRoot: true,
      runAsUser: 20_000,
      runAsGroup: 20_000,
      supplementalGroups: [40_000],
      seccompProfile: { type: 'RuntimeDefault' },
    })
    assert.deepEqual(container.securityContext, {
      privileged: false,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    })
  })

  it('has the configured runtime class and priority class', () => {
    const { pod } = podOf({}, { runtimeClass: 'gvisor', priorityClass: 'batch' })
    assert.deepEqual([pod.runtimeClassName, pod.priorityClassName], ['gvisor', 'batch'])
    const { pod: plain } = podOf()
    assert.deepEqual([plain.runtimeClassName, plain.priorityClassName], [undefined, undefined])
  })

  it('passes each word unchanged: dollars are escaped', () => {
    const { container } = podOf()
    assert.deepEqual(container.command, ['fit', '$$(HOME)', '$$$$'])
    assert.deepEqual(container.args, ['--to=$$X'])
    assert.deepEqual(container.env?.[0], { name: 'PRICE', value: '5$$' })
  })

  it('mounts its own home, all projects, and scratch', () => {
    const { container } = podOf()
    const mounts = Object.fromEntries(
      (container.volumeMounts ?? []).map(({ mountPath, subPath }) => [mountPath, subPath]),
    )
    assert.deepEqual(mounts, {
      '/scratch': undefined,
      '/tmp': undefined,
      '/dev/shm': undefined,
      '/etc/passwd': 'passwd',
      '/etc/group': 'group',
      '/arc/home/ada': 'home/ada',
      '/arc/projects': 'projects',
    })
  })

  it('has a /dev/shm as large as its memory limit, in memory that counts as its own', () => {
    const shm = podOf().pod.volumes?.find(({ name }) => name === 'shm')
    assert.deepEqual(shm?.emptyDir, { medium: 'Memory', sizeLimit: '2147483648' })
  })

  it('has the requests and the limits of the job', () => {
    const { requests, limits } = podOf().container.resources ?? {}
    assert.deepEqual([requests?.['cpu'], limits?.['cpu']], ['2000m', '4000m'])
    assert.deepEqual([requests?.['memory'], limits?.['memory']], ['1073741824', '2147483648'])
    assert.equal(podOf({}, { overcommit: 4 }).container.resources?.requests?.['cpu'], '500m')
    const gpus = podOf({ resources: { ...spec.resources, gpus: 2 } }).container.resources
    assert.deepEqual([gpus?.requests?.['nvidia.com/gpu'], gpus?.limits?.['nvidia.com/gpu']], ['2', '2'])
  })

  it('pulls from the alias of the registry, by digest where it is known', () => {
    assert.equal(podOf().container.image, 'cache.example:5000/canfar/astro/fit:1')
    const digest = `sha256:${'b'.repeat(64)}`
    assert.equal(podOf({ imageDigest: digest }).container.image, `cache.example:5000/canfar/astro/fit@${digest}`)
  })

  it('is held until the creation of its Secret, which is for its registry alone', () => {
    const withAuth = { ...spec, registryAuth: 'ada:word' }
    const job = jobObject(withAuth, settings, secretName)
    assert.equal(job.spec?.suspend, true)
    assert.ok(!JSON.stringify(job).includes('word'))
    assert.deepEqual(job.spec?.template.spec?.imagePullSecrets, [{ name: secretName }])
    const created = structuredClone(job)
    Object.assign(created.metadata ?? {}, { uid: 'u' })
    const secret = secretObject(withAuth, settings, created)
    assert.equal(secret.metadata?.name, secretName)
    assert.deepEqual(JSON.parse(secret.stringData?.['.dockerconfigjson'] ?? ''), {
      auths: { 'cache.example:5000': { auth: Buffer.from('ada:word').toString('base64') } },
    })
    assert.equal(secret.metadata?.ownerReferences?.[0]?.uid, 'u')
    assert.equal(secret.type, 'kubernetes.io/dockerconfigjson')
    assert.deepEqual(releaseOf(withAuth, settings), { spec: { suspend: false } })
  })

  it('has its secrets in its Secret alone: no reader of Jobs and pods finds them', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,300}$/), fc.string(), { minKeys: 1, maxKeys: 5 }),
        fc.option(fc.string(), { nil: undefined }),
        (words, password) => {
          // Marked, so that a value is not found by chance.
          const env = Object.fromEntries(Object.entries(words).map(([name, value]) => [name, `secret:${value}`]))
          const registryAuth = password === undefined ? undefined : `ada:secret:${password}`
          const sealed = {
            ...spec,
            env: { ...env, HOME: '/arc/home/ada' },
            publicEnv: ['HOME'],
            ...(registryAuth === undefined ? {} : { registryAuth }),
          }
          const job = jobObject(sealed, settings, secretName)
          assert.doesNotMatch(JSON.stringify(job), /secret:|c2VjcmV0/)
          assert.equal(job.spec?.suspend, true)
          const { stringData = {}, type, metadata } = secretObject(sealed, settings, job)
          assert.equal(metadata?.name, secretName)
          assert.equal(type, registryAuth === undefined ? 'Opaque' : 'kubernetes.io/dockerconfigjson')
          for (const { name, value, valueFrom } of job.spec?.template.spec?.containers[0]?.env ?? []) {
            if (name === 'HOME' && env['HOME'] === undefined) assert.equal(value, '/arc/home/ada')
            else if (name !== 'HOME') {
              assert.equal(valueFrom?.secretKeyRef?.name, secretName)
              assert.equal(stringData[valueFrom.secretKeyRef.key], env[name], 'unchanged: dollars are not escaped here')
            }
          }
          for (const key of Object.keys(stringData)) assert.match(key, /^[-._a-zA-Z0-9]{1,253}$/)
        },
      ),
    )
  })

  it('counts every variable as a secret that is not known to be none', () => {
    const { publicEnv: _, ...unmarked } = spec
    assert.equal(hasSecrets(spec), false)
    assert.equal(hasSecrets(unmarked), true)
    assert.equal(hasSecrets({ ...spec, env: {} }), false)
  })

  it('leaves the admission to Kueue where a queue is configured', () => {
    const queue = { localQueue: 'batch', priorityClasses: { large: 'low' }, depth: 10 }
    const job = jobObject({ ...spec, priorityClass: 'large' }, { ...settings, queue }, secretName)
    assert.equal(job.spec?.suspend, true)
    assert.equal(job.metadata?.labels?.['kueue.x-k8s.io/queue-name'], 'batch')
    assert.equal(job.metadata.labels['kueue.x-k8s.io/priority-class'], 'low')
    assert.equal(job.spec.template.spec?.affinity, undefined)
    // A Job with credentials enters the queue of Kueue after the creation of its Secret.
    const held = jobObject({ ...spec, registryAuth: 'a:b' }, { ...settings, queue }, secretName)
    assert.equal(held.metadata?.labels?.['kueue.x-k8s.io/queue-name'], undefined)
  })

  it('is refused where no cluster can run it', () => {
    assert.throws(() => jobObject({ ...spec, network: 'host' }, settings, secretName), CannotRun)
    assert.throws(
      () => jobObject({ ...spec, image: requireReference('localhost/test/x:1') }, settings, secretName),
      /server's own store/,
    )
  })
})
