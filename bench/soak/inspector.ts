/** Memory of a Node process after a forced garbage collection, over its inspector (Chrome DevTools Protocol). */
export interface Inspector {
  readonly heapMb: () => Promise<number>
  readonly close: () => void
}

interface Reply {
  readonly id: number
  readonly result?: { readonly result?: { readonly value?: unknown } }
  readonly error?: { readonly message: string }
}

/** Connects to the address that Node prints with `--inspect`. */
export async function connectInspector(address: string): Promise<Inspector> {
  const socket = new WebSocket(address)
  const waiting = new Map<number, (reply: Reply) => void>()
  let last = 0
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true })
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${address}`)), { once: true })
  })
  socket.addEventListener('message', ({ data }) => {
    const reply = JSON.parse(String(data)) as Reply
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
  })
  const call = async (method: string, params: object = {}): Promise<Reply> => {
    const id = ++last
    const reply = await new Promise<Reply>((resolve) => {
      waiting.set(id, resolve)
      socket.send(JSON.stringify({ id, method, params }))
    })
    if (reply.error !== undefined) throw new Error(`${method}: ${reply.error.message}`)
    return reply
  }
  return {
    heapMb: async () => {
      // Twice: finalizers of the first collection release more.
      await call('HeapProfiler.collectGarbage')
      await call('HeapProfiler.collectGarbage')
      const expression = 'process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers'
      const { result } = await call('Runtime.evaluate', { expression, returnByValue: true })
      return Number(result?.result?.value) / 1e6
    },
    close: () => socket.close(),
  }
}
