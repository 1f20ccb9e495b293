/** What a container needs of its network. */
export interface NetworkLease {
  /** Number of the slot, which the attempt's journal keeps for the next server. */
  readonly slot: number
  /** Path of a network namespace, for the OCI configuration. */
  readonly namespacePath: string
  /** Contents for /etc/resolv.conf. */
  readonly resolvConf: string
  /** Contents for /etc/hosts of a container with this host name. */
  readonly hosts: (hostname: string) => string
}

/**
 * Networks for jobs: outbound through a bridge with NAT; the machine's own services (but the platform's API) and other
 * jobs out of reach. Namespaces are made ahead, so that acquiring one costs no process.
 */
export interface IsolatedNetwork {
  /** Makes bridge, rules and the first namespaces, or finds those of an earlier server. Call before the executor opens. */
  open(): Promise<void>
  /** A namespace for this attempt; the same one when called again. Waits while none is ready. */
  acquire(attemptId: string): Promise<NetworkLease>
  /** Claims the lease that an earlier server gave to a running attempt. Without such a lease it does nothing. */
  adopt(attemptId: string): void
  /**
   * Returns the namespace of an attempt that has ended. Without a lease it does nothing.
   *
   * @param empty whether it is certain that no process is left in it. Otherwise it is looked at before another attempt gets it.
   */
  release(attemptId: string, empty?: boolean): Promise<void>
  /** Removes everything when no lease is held; otherwise leaves it for the next server. */
  close(): Promise<void>
  /** The machine's address on the bridge: under it, at the API port, jobs reach the platform. Known after `open()`. */
  readonly gateway: string
}
