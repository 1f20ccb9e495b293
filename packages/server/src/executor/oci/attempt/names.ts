import { readIfThere } from '../../../lib/files.ts'

/** Names of the local host, and the container's own name on the loopback address that Debian uses. */
const local = (hostname: string): string =>
  `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t${hostname}\n`

/** /etc/hosts of a container without a network. */
export const noNetworkHosts = local

/** /etc/hosts of a container that shares the machine's network: the machine's entries, then its own name. */
export async function hostHosts(hostname: string): Promise<string> {
  const own = `127.0.1.1\t${hostname}\n`
  const ofMachine = await readIfThere('/etc/hosts')
  return ofMachine === undefined ? local(hostname) : `${ofMachine.trimEnd()}\n${own}`
}

/** /etc/resolv.conf of a container that shares the machine's network. */
export const hostResolvConf = async (): Promise<string> => (await readIfThere('/etc/resolv.conf')) ?? ''
