import { connect, type Socket } from 'node:net'

/** An answer with its body as text. */
export interface Answer {
  readonly status: number
  readonly body: string
}

/**
 * A persistent HTTP connection for one request at a time. Own code, because on two cores a full HTTP client needs as much
 * processor time as the measured server.
 */
export class HttpConnection {
  readonly #socket: Socket
  readonly #headers: string
  #received = Buffer.alloc(0)
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined

  constructor(url: string, token: string) {
    const { hostname, port, host } = new URL(url)
    this.#headers = `host: ${host}\r\nauthorization: Bearer ${token}\r\n`
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#deliver()
    })
    this.#socket.on('error', (error) => this.#waiting?.reject(error))
    this.#socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')))
  }

  request(method: string, path: string, body?: object): Promise<Answer> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const kind = body === undefined ? '' : 'content-type: application/json\r\n'
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(
        `${method} ${path} HTTP/1.1\r\n${this.#headers}${kind}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      )
    })
  }

  /** The body of an answer. @throws for another status. */
  async expect(status: number, method: string, path: string, body?: object): Promise<string> {
    const answer = await this.request(method, path, body)
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.slice(0, 500)}`)
    return answer.body
  }

  close(): void {
    this.#waiting = undefined
    this.#socket.destroy()
  }

  #deliver(): void {
    const headEnd = this.#received.indexOf('\r\n\r\n')
    if (headEnd < 0 || !this.#waiting) return
    const head = this.#received.toString('latin1', 0, headEnd)
    const length = /^content-length: (\d+)$/im.exec(head)?.[1]
    const { resolve, reject } = this.#waiting
    if (length === undefined) {
      this.#waiting = undefined
      reject(new Error(`an answer without content-length:\n${head}`))
      return
    }
    const end = headEnd + 4 + Number(length)
    if (this.#received.length < end) return
    const body = this.#received.toString('utf8', headEnd + 4, end)
    this.#received = this.#received.subarray(end)
    this.#waiting = undefined
    resolve({ status: Number(head.slice(9, 12)), body })
  }
}
