import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { runTool } from '../../../lib/tool.ts'

/** The network namespace of the machine itself. */
export const machineNamespace = '/proc/self/ns/net'

/** Where a connection starts. */
export interface ConnectOptions {
  /** Network namespace of the client; the machine's own by default. */
  readonly from?: string
  /** User id of the client. @defaultValue 0 */
  readonly uid?: number
  readonly localAddress?: string
}

/** Servers and clients in network namespaces of this machine, for tests of what reaches what. */
export class Sockets {
  readonly #servers: Server[] = []
  readonly #processes: ChildProcess[] = []

  /** Serves TCP in this process and greets each client with its address. Returns the port. */
  async listen(address: string, port = 0): Promise<number> {
    const server = createServer((socket) =>
      socket.on('error', () => socket.destroy()).end(`hello ${socket.remoteAddress}`),
    )
    this.#servers.push(server.listen(port, address))
    await once(server, 'listening')
    const bound = server.address()
    assert.ok(bound !== null && typeof bound !== 'string')
    return bound.port
  }

  /** Serves the same in another network namespace, from a process of its own. */
  listenIn(namespacePath: string, address: string, port: number): Promise<ChildProcess> {
    return this.run(
      namespacePath,
      `require('net').createServer((s) => s.on('error', () => s.destroy()).end('hello ' + s.remoteAddress))
        .listen(${port}, '${address}', () => console.log('ready'))`,
    )
  }

  /** Runs a script of Node's in a network namespace and resolves at its first output. */
  async run(namespacePath: string, script: string, wrapper: readonly string[] = []): Promise<ChildProcess> {
    const args = [`--net=${namespacePath}`, ...wrapper, process.execPath, '--eval', script]
    const child = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#processes.push(child)
    await Promise.race([
      once(child.stdout, 'data'),
      once(child, 'exit').then(([code]) => assert.fail(`the script in ${namespacePath} exited with ${code}`)),
    ])
    return child
  }

  /** The first bytes that a client receives over TCP, or the code of its error. */
  async connect(address: string, port: number, options: ConnectOptions = {}): Promise<string> {
    const { from = machineNamespace, uid = 0, localAddress } = options
    const target = JSON.stringify({ host: address, port, ...(localAddress !== undefined && { localAddress }) })
    const script = `process.setuid(${uid})
      const s = require('net').connect(${target}); s.setTimeout(1500, () => s.destroy(Object.assign(new Error, {code: 'TIMEOUT'})))
      s.on('error', (e) => console.log(e.code)).on('data', (d) => console.log(String(d)))`
    return (await runTool('nsenter', [`--net=${from}`, process.execPath, '--eval', script])).toString().trim()
  }

  /** Ends every server and client. */
  close(): void {
    for (const child of this.#processes) child.kill()
    for (const server of this.#servers) server.close()
  }
}
