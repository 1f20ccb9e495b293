import { setTimeout as sleep } from 'node:timers/promises'
import { applyObjects, kubectl } from './cluster-place.ts'

/** What a node says it has, in Kubernetes' quantities. */
export type Offer = Readonly<Record<string, string>>

/**
 * A second node of the test cluster that says it is well and runs nothing. Kubernetes gives up a node that does not answer
 * only while another one does: a cluster in which none does suspects itself. It has no kubelet: see {@link OtherNode.endPods}.
 */
export class OtherNode implements AsyncDisposable {
  readonly name: string
  readonly #leaving = new AbortController()
  #offer: Offer
  #beating: Promise<void> = Promise.resolve()

  private constructor(name: string, offer: Offer) {
    this.name = name
    this.#offer = offer
  }

  /**
   * @param offer - With one, it takes work: pods are bound to it, and nothing comes of them until they are ended.
   * @param taint - The key of a taint that keeps off those who do not tolerate it. Default: none with an offer, else one.
   */
  static async join(
    offer?: Offer,
    name = 'node-2',
    taint = offer === undefined ? 'test' : undefined,
  ): Promise<OtherNode> {
    const node = new OtherNode(name, offer ?? {})
    const taints = taint === undefined ? [] : [{ key: taint, value: 'true', effect: 'NoSchedule' }]
    await applyObjects([
      {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name, labels: { 'kubernetes.io/hostname': name } },
        spec: { taints },
      },
    ])
    await node.#beat()
    node.#beating = node.#goOn()
    return node
  }

  /** Has it say that it has something else. */
  async offers(offer: Offer): Promise<void> {
    this.#offer = offer
    await this.#beat()
  }

  /** Ends the pods that are bound to it, as a kubelet would: a pod that is deleted stays until its node says that it has ended. */
  async endPods(): Promise<void> {
    const names = '{range .items[*]}{.metadata.namespace} {.metadata.name}{"\\n"}{end}'
    const onIt = ['--all-namespaces', '--field-selector', `spec.nodeName=${this.name}`]
    const lines = (await kubectl('get', 'pods', ...onIt, '-o', `jsonpath=${names}`)).split('\n').filter(Boolean)
    for (const [namespace = '', pod = ''] of lines.map((line) => line.split(' '))) {
      const ended = JSON.stringify({ status: { phase: 'Failed' } })
      try {
        await kubectl('patch', 'pod', pod, '-n', namespace, '--subresource=status', '-p', ended)
        await kubectl('delete', 'pod', pod, '-n', namespace, '--force', '--grace-period=0', '--wait=false')
      } catch (error) {
        // The platform may have removed it meanwhile.
        if (!(error as Error).message.includes('NotFound')) throw error
      }
    }
  }

  async #beat(): Promise<void> {
    const at = `${new Date().toISOString().slice(0, 19)}Z`
    const ready = { type: 'Ready', status: 'True', reason: 'Test', message: '', lastHeartbeatTime: at }
    await kubectl(
      'patch',
      'node',
      this.name,
      '--subresource=status',
      '--type=strategic',
      '-p',
      JSON.stringify({
        status: {
          conditions: [{ ...ready, lastTransitionTime: at }],
          capacity: this.#offer,
          allocatable: this.#offer,
        },
      }),
    )
  }

  async #goOn(): Promise<void> {
    for (const signal = this.#leaving.signal; !signal.aborted;) {
      await sleep(10_000, undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await this.#beat()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leaving.abort()
    await this.#beating
    await kubectl('delete', 'node', this.name)
    // Afterwards, since no more come now. Kubernetes itself takes up to 80 s: the pod garbage collector looks every 20 s, twice, 40 s apart.
    await this.endPods()
  }
}
