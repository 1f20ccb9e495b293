import { createServer } from 'node:http'
import type { Address } from '../configuration/config.ts'
import { listen } from './listen.ts'

/**
 * Answers probes on the server's address while its executor opens, which on a cluster that does not answer takes as long as that lasts.
 * `/healthz` is 200: a probe must not kill a server that waits. Everything else is 503. Returns a function that gives the address back.
 */
export async function answerWhileStarting(address: Address): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    const isAlive = request.url === '/healthz'
    const text = isAlive ? 'ok\n' : 'starting: the executor does not answer yet\n'
    const headers = { 'content-type': 'text/plain', connection: 'close', ...(isAlive ? {} : { 'retry-after': '5' }) }
    response.writeHead(isAlive ? 200 : 503, headers).end(text)
  })
  return listen(server, address)
}
