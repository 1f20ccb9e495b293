/** The network of one container. */
export interface NetworkLease {
  /** Number of the slot, which the attempt's journal keeps for the next server. */
  readonly slot: number
  /** Path of a network namespace, for the OCI configuration. */
  readonly namespacePath: string
  /** Contents for /etc/resolv.conf. */
  readonly resolvConf: string
  /** Whether there is a name server that the container reaches. */
  readonly resolvesNames: boolean
  /** Contents for /etc/hosts of a container with this host name. */
  readonly hosts: (hostname: string) => string
}

/**
 * Networks for jobs. A job reaches the outside through a bridge with NAT and the platform's API, and neither other services of the machine
 * nor other jobs. Namespaces are made in advance, so that acquiring one starts no process.
 */
export interface IsolatedNetwork {
  /** Makes the bridge, the rules and the first namespaces, or takes over those of an earlier server. Call it before the executor opens. */
  open(): Promise<void>
  /**
   * A namespace for this attempt, the same one when called again. Waits while none is ready, and while the rules and links of the network
   * are not complete; rejects when the attempt is released meanwhile.
   *
   * @param onWait called with a sentence for the attempt's owner when it waits for the rules.
   */
  acquire(attemptId: string, onWait?: (reason: string) => void): Promise<NetworkLease>
  /** Claims the lease of a running attempt of an earlier server. Without a lease it does nothing. */
  adopt(attemptId: string): void
  /**
   * Returns the namespace of an attempt that has ended. Without a lease it does nothing.
   *
   * @param empty whether it is certain that no process is left in it. Otherwise it is looked at before another attempt gets it.
   */
  release(attemptId: string, empty?: boolean): Promise<void>
  /** Removes everything unless an attempt holds a lease; then the next server takes over. */
  close(): Promise<void>
  /** What is wrong with the rules and links, while they are repaired; undefined while nothing is known to be. */
  fault(): string | undefined
  /** The machine's address on the bridge, where jobs reach the platform's API. Known after `open()`. */
  readonly gateway: string
}
