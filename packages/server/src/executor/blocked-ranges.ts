/**
 * Addresses that no job on the network `isolated` reaches, on any executor and whatever a configuration adds: this host, loopback,
 * link-local, multicast and reserved addresses (RFC 6890), and those at which clouds serve the credentials of their machines. The chart
 * has the same list in templates/_helpers.tpl. DNS (port 53) is exempt: name servers often have such addresses.
 */
export const builtInBlockedRanges: readonly string[] = [
  '0.0.0.0/8',
  // Alibaba Cloud's metadata.
  '100.100.100.200/32',
  '127.0.0.0/8',
  // Azure's WireServer.
  '168.63.129.16/32',
  // Link-local, among them the metadata of most clouds, 169.254.169.254.
  '169.254.0.0/16',
  // Oracle Cloud's metadata.
  '192.0.0.192/32',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/127',
  // Link-local addresses of IPv4 behind NAT64 (RFC 6052).
  '64:ff9b::a9fe:0/112',
  // The metadata of AWS and of Google Cloud.
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  'fe80::/10',
  'ff00::/8',
]
