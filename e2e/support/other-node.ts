import { setTimeout as sleep } from 'node:timers/promises'
import { applyObjects, kubectl } from './cluster-place.ts'

/** The capacity of a node, in Kubernetes' quantities. */
export type Offer = Readonly<Record<string, string>>

/**
 * A second node of the test cluster that reports ready and runs nothing. Kubernetes evicts the pods of an unreachable node only
 * while another node is ready. It has no kubelet: see {@link OtherNode.endPods}.
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
   * @param offer - With an offer, pods are bound to the node and stay pending until {@link OtherNode.endPods}.
   * @param taint - The key of a taint of the node. Default: none with an offer, otherwise one.
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

  /** Changes the reported capacity. */
  async offers(offer: Offer): Promise<void> {
    this.#offer = offer
    await this.#beat()
  }

  /** Ends the pods of the node like a kubelet: a deleted pod stays until its node reports its end. */
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
    // After the removal, so that no more pods arrive. Kubernetes' own pod garbage collector takes up to 80 s.
    await this.endPods()
  }
}
