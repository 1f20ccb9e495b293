import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { jobResolver } from './resolver.ts'

describe("a job's resolver", () => {
  it("is the machine's, less the name servers that speak IPv6 only", () => {
    const resolvConf =
      '# made by hand\nnameserver 192.0.2.53 # first\nnameserver fd00::53\nsearch example.org a.example.org\noptions edns0\n'
    assert.deepEqual(jobResolver({ resolvConf }), {
      resolvConf: 'nameserver 192.0.2.53\nsearch example.org a.example.org\noptions edns0\n',
      nameservers: ['192.0.2.53'],
      relayed: [],
    })
  })

  it('asks the servers of systemd-resolved where the machine asks its stub', () => {
    const resolvConf = 'nameserver 127.0.0.53\noptions edns0 trust-ad\n'
    const upstream = 'nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch home\n'
    const { nameservers, resolvConf: text } = jobResolver({ resolvConf, upstream })
    assert.deepEqual(nameservers, ['192.0.2.1', '192.0.2.2'])
    assert.match(text, /search home/)
  })

  it('leaves out a local server beside others', () => {
    assert.deepEqual(jobResolver({ resolvConf: 'nameserver 127.0.0.1\nnameserver 192.0.2.9\n' }).nameservers, [
      '192.0.2.9',
    ])
  })

  it('keeps link-local servers, as clouds have them', () => {
    assert.deepEqual(jobResolver({ resolvConf: 'nameserver 169.254.169.253\n' }).nameservers, ['169.254.169.253'])
  })

  it('asks the gateway where the machine alone reaches its name servers', () => {
    const gateway = '10.208.7.1'
    for (const server of ['127.0.0.1', '127.0.0.53', '::1', 'fd00::53'])
      assert.deepEqual(jobResolver({ resolvConf: `nameserver ${server}\nsearch example.org\n` }, gateway), {
        resolvConf: 'nameserver 10.208.7.1\nsearch example.org\n',
        nameservers: [gateway],
        relayed: [server],
      })
    const resolved = { resolvConf: 'nameserver 127.0.0.53\n', upstream: 'nameserver 192.0.2.1\n' }
    assert.deepEqual(jobResolver(resolved, gateway).relayed, [], 'the servers of systemd-resolved are reached')
    assert.deepEqual(jobResolver({ resolvConf: '' }, gateway).nameservers, [], 'there is nothing to relay to')
  })

  it('has a comment where there is no name server', () => {
    for (const resolvConf of ['', 'nameserver 127.0.0.1\n', 'nameserver ::1\n']) {
      assert.deepEqual(jobResolver({ resolvConf }).nameservers, [])
      assert.match(jobResolver({ resolvConf }).resolvConf, /^# The machine has no name server/)
    }
  })
})
