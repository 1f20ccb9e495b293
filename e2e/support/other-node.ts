import { setTimeout as sleep } from 'node:timers/promises'
import { applyObjects, kubectl } from './cluster-place.ts'

const name = 'node-2'

/**
 * A second node of the test cluster that says it is well and takes no work. Kubernetes gives up a node that does not answer
 * only while another one does: a cluster in which none does suspects itself.
 */
export class OtherNode implements AsyncDisposable {
  readonly #leaving = new AbortController()
  #beating: Promise<void> = Promise.resolve()

  static async join(): Promise<OtherNode> {
    const node = new OtherNode()
    await applyObjects([
      {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name },
        spec: { taints: [{ key: 'test', value: 'true', effect: 'NoSchedule' }] },
      },
    ])
    await node.#beat()
    node.#beating = node.#goOn()
    return node
  }

  async #beat(): Promise<void> {
    const at = `${new Date().toISOString().slice(0, 19)}Z`
    const ready = { type: 'Ready', status: 'True', reason: 'Test', message: '', lastHeartbeatTime: at }
    await kubectl(
      'patch',
      'node',
      name,
      '--subresource=status',
      '--type=strategic',
      '-p',
      JSON.stringify({ status: { conditions: [{ ...ready, lastTransitionTime: at }] } }),
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
    await kubectl('delete', 'node', name)
  }
}
