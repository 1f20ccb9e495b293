import { builtInBlockedRanges } from '../../blocked-ranges.ts'
import { planSlot, slotLimit, type NetworkPlan } from './plan.ts'
import { printSubnet } from './subnet.ts'

/** What jobs may reach of the machine. */
export interface Openings {
  /** TCP port of the platform's API on the gateway's address. */
  readonly apiPort: number
  /** The machine's name servers, which may be the machine itself or have a link-local address. Open for DNS only. */
  readonly nameservers: readonly string[]
}

/**
 * The rules of a platform's network, for `nft -f`: replaces both tables in one transaction. Pure.
 *
 * - The table of the family `bridge` sees the ports of jobs. It accepts IPv4 and ARP with the port's own address and drops the rest.
 *   The bridge itself isolates the ports from each other.
 * - The table of the family `inet` sees what leaves and enters the bridge. Its prerouting chain has the priority of mangle, before any
 *   address translation: ports that Docker or others forward from the machine's addresses count as the machine's own.
 * - Its output chain sees the processes of this machine: root connects to jobs, and with it this server, which needs root for the
 *   network. Other users, and jobs on the network `host`, do not. A user may bind a socket to a port of the bridge itself
 *   (SO_BINDTODEVICE), so the ports are named too. The kernel's own packets, such as the last acknowledgement of a closed connection,
 *   have no user and pass in known connections.
 * - A refusal answers at once: without an answer the client would wait for its timeout.
 * - Only replies pass as part of a known connection. Every other packet is judged by itself: a connection that began while the rules
 *   were missing ends when they are back.
 * - A segment of TCP is no larger than the route permits, as on the machine itself. Links of jobs have 1500 bytes, an uplink may have
 *   less, and the ICMP message that says so may be lost on its way (RFC 2923, 2.1).
 */
export function ruleset(plan: NetworkPlan, { apiPort, nameservers }: Openings): string {
  const table = `sp_${plan.instance}`
  const { bridge, gateway } = plan
  const owners = Array.from({ length: slotLimit }, (_, i) => planSlot(plan, i + 1))
    .map(({ name, address }) => `"${name}" . ${address}`)
    .join(', ')
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain prerouting {
    type filter hook prerouting priority mangle; policy accept;
    iifname "${plan.portPrefix}*" drop
    iifname != "${bridge}" accept
    ip saddr != ${printSubnet(plan.subnet)} drop
    meta nfproto != ipv4 drop
    ct state established ct direction reply accept
    ct state related ip protocol icmp accept
    ip daddr ${gateway} tcp dport ${apiPort} accept
${nameservers.length === 0 ? '' : `    ip daddr { ${nameservers.join(', ')} } meta l4proto { tcp, udp } th dport 53 accept\n`}    ip daddr { ${blockedAddresses} } goto refuse
    fib daddr type != unicast goto refuse
  }
  chain segments {
    type filter hook forward priority mangle; policy accept;
    iifname "${bridge}" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    oifname "${bridge}" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    oifname != "${bridge}" accept
    ct state established ct direction reply accept
    ct state related ip protocol icmp accept
    goto refuse
  }
  chain output {
    type filter hook output priority filter - 10; policy accept;
    oifname "${bridge}" goto callers
    oifname "${plan.portPrefix}*" goto callers
  }
  chain callers {
    ct state established ct direction reply accept
    ct state related accept
    meta skuid 0 accept
    meta skuid != 0 goto refuse
    ct state established accept
    goto refuse
  }
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${printSubnet(plan.subnet)} oifname != "${bridge}" masquerade
  }
}
table bridge ${table}
delete table bridge ${table}
table bridge ${table} {
  set owners {
    type ifname . ipv4_addr
    elements = { ${owners} }
  }
  chain prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname != "${plan.portPrefix}*" accept
    ether type ip iifname . ip saddr @owners accept
    ether type arp iifname . arp saddr ip @owners accept
    drop
  }
}
`
}

/** The ranges of IPv4 that no job reaches, as elements of a set. Jobs have no IPv6. */
const blockedAddresses = builtInBlockedRanges.filter((range) => !range.includes(':')).join(', ')

/** Commands that remove the rules, also where there are none. Pure. */
export function noRuleset(plan: NetworkPlan): string {
  const table = `sp_${plan.instance}`
  return ['inet', 'bridge'].map((family) => `table ${family} ${table}\ndelete table ${family} ${table}\n`).join('')
}
