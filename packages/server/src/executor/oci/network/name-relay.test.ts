import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { describe, it } from 'node:test'
import { freePort } from '../../../lib/free-port.ts'
import { NameRelay } from './name-relay.ts'

/** Loopback addresses that stand for the gateway, for a name server, and for one that does not answer. */
const [gateway, server, silent] = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
const log = { info: () => undefined, warn: () => undefined }

describe('the relay of names', () => {
  it('relays datagrams and connections to the name server that answers', async (t) => {
    const port = await freePort('127.0.0.1')
    const datagrams = createSocket('udp4', (query, { port: from, address }) => {
      // An answer to another query comes first: it is not passed on.
      datagrams.send(Buffer.from([0, 0, 9]), from, address)
      datagrams.send(Buffer.concat([query, Buffer.from('answer')]), from, address)
    })
    datagrams.bind(port, server)
    await once(datagrams, 'listening')
    const streams = createServer((socket) => socket.pipe(socket)).listen(port, server)
    await once(streams, 'listening')
    const relay = new NameRelay(log, port)
    t.after(() => {
      relay.close()
      datagrams.close()
      streams.close()
    })
    await relay.serve(gateway, [silent, server])

    const asking = createSocket('udp4')
    t.after(() => asking.close())
    asking.send(Buffer.from([7, 7, 1]), port, gateway)
    const [answer] = (await once(asking, 'message')) as [Buffer]
    assert.deepEqual(answer, Buffer.concat([Buffer.from([7, 7, 1]), Buffer.from('answer')]))

    await relay.serve(gateway, [server])
    const client = connect(port, gateway)
    t.after(() => client.destroy())
    client.write('over TCP')
    const [echoed] = (await once(client, 'data')) as [Buffer]
    assert.equal(echoed.toString(), 'over TCP')
  })

  it('leaves the port to a program that listens on it, and closes where nothing is to be relayed', async (t) => {
    const taken = createSocket('udp4')
    taken.bind(0, gateway)
    await once(taken, 'listening')
    const { port } = taken.address()
    const relay = new NameRelay(log, port)
    await relay.serve(gateway, [server])
    taken.close()
    await relay.serve(gateway, [server])
    await relay.serve(gateway, [])
    const again = createSocket('udp4')
    t.after(() => again.close())
    again.bind(port, gateway)
    await once(again, 'listening')
  })
})
